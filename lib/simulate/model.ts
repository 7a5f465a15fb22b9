// The language model: a function from the tokens so far to the next one, as a real model is at
// temperature 0. Two instances with the same seed therefore continue each other's answers exactly.
// When an answer ends is left to plan.ts.

import { length as characterLength } from "./detokenizer.ts";
import {
  bareWordId,
  byteOf,
  bytesOf,
  characterId,
  pieceId,
  spacedWordId,
  textOfBytes,
  tokenText,
  WORDS,
} from "./tokenizer.ts";

const HAN = [..."今天我们在山上看见一条河水很清风轻云白花开鸟语人心安静时光如书"];
const EMOJI = ["🙂", "🚀", "🌊", "🎉", "🦕"];
const COMMA = characterId(",");
const STOP = characterId(".");
const HAN_STOP = characterId("。");
const NEWLINE = characterId("\n");
const HAN_IDS = HAN.map(characterId);
const EMOJI_IDS = EMOJI.map(characterId);
const CHARACTERS = [...HAN, ...EMOJI, "。"].map(bytesOf);
const SYLLABLES = ["ka", "lo", "mi", "ne", "ra", "su", "ti", "vo"];
const FIRST_SYLLABLES = SYLLABLES.map((letters) => pieceId(letters, true));
const LAST_SYLLABLES = SYLLABLES.map((letters) => pieceId(letters, false));

/** Of which tokens the model makes its text. */
export interface Speech {
  /** Characters beyond ASCII are as many tokens as bytes, as with a byte-level BPE. */
  byteTokens: boolean;
  /** Some words come in other pieces than their text would be encoded in. */
  oddPieces: boolean;
}

/** What the model knows of the tokens so far. */
export interface ModelState {
  speech: Speech;
  hash: number;
  /** The last whole thing: a token, or the character that tokens made up. */
  last: number;
  /** Tokens of a character that has begun. */
  begun: readonly number[];
}

/** The state before any token. Another seed is another model. */
export function initialState(
  seed: number,
  speech: Speech = { byteTokens: false, oddPieces: false },
): ModelState {
  return { speech, hash: scramble(seed ^ 0x5bd1e995), last: -1, begun: [] };
}

/** Takes one more token in. */
export function advance(state: ModelState, id: number): void {
  state.hash = scramble(Math.imul(state.hash, 31) + id | 0);
  const byte = byteOf(id);
  if (byte === null) {
    state.last = id;
    state.begun = [];
    return;
  }
  const bytes = [...state.begun, id].map((id) => byteOf(id)!);
  if (bytes.length < characterLength(bytes[0])) {
    state.begun = [...state.begun, id];
  } else {
    state.last = characterId(textOfBytes(bytes));
    state.begun = [];
  }
}

/** True in the middle of a character or of a word in odd pieces: the next token has to go on with it. */
export function inMiddle(state: ModelState): boolean {
  return state.begun.length > 0 || FIRST_SYLLABLES.includes(state.last);
}

/** The next token; `salt` stands for sampling, 0 for temperature 0. */
export function nextToken(state: ModelState, salt: number): number {
  const random = scramble(state.hash ^ salt ^ 0x2c1b3c6d) >>> 0;
  if (state.begun.length > 0) return nextByte(state.begun, random);
  if (FIRST_SYLLABLES.includes(state.last)) return LAST_SYLLABLES[random % LAST_SYLLABLES.length];
  const id = nextWhole(state, random);
  if (!state.speech.byteTokens || id < characterId("\x80") || id > characterId("\u{10FFFF}")) {
    return id;
  }
  return bytesOf(tokenText(id))[0];
}

function nextByte(begun: readonly number[], random: number): number {
  const possible = CHARACTERS.filter((ids) => begun.every((id, at) => ids[at] === id));
  // Bytes that the model itself would not have begun: any one that may follow.
  if (possible.length === 0) return bytesOf("\u{80}")[1] + 0x20 + random % 16;
  return possible[random % possible.length][begun.length];
}

function nextWhole(state: ModelState, random: number): number {
  const choice = random % 100;
  const pick = Math.floor(random / 100);
  const kind = kindOf(state.last);
  if (kind === "start") return bareWordId(pick % WORDS.length);
  if (kind === "han") {
    if (choice < 75) return HAN_IDS[pick % HAN_IDS.length];
    if (choice < 90) return HAN_STOP;
  }
  if (kind === "word" && state.speech.oddPieces && choice >= 85) {
    return FIRST_SYLLABLES[pick % FIRST_SYLLABLES.length];
  }
  if (kind === "word") {
    if (choice < 9) return COMMA;
    if (choice < 18) return STOP;
    if (choice < 24) return HAN_IDS[pick % HAN_IDS.length];
    if (choice < 27) return EMOJI_IDS[pick % EMOJI_IDS.length];
  }
  if (kind === "stop" && choice < 10) return NEWLINE;
  return spacedWordId(pick % WORDS.length);
}

/**
 * The salt of a request's token `position`: a seeded generator gives the same numbers on every
 * instance, and begins anew with every request. 0, which is temperature 0, stays 0.
 */
export function saltAt(sampling: number, position: number): number {
  return sampling === 0 ? 0 : scramble(sampling + Math.imul(position, 0x9e3779b1) | 0) | 1;
}

/** A number that depends on the state and nothing else, for decisions beside the next token. */
export function stateNumber(state: ModelState, purpose: number): number {
  return scramble(state.hash ^ Math.imul(purpose, 0x9e3779b1)) >>> 0;
}

function kindOf(id: number): "start" | "word" | "han" | "stop" | "other" {
  if (id === COMMA) return "other";
  if (id < 100 || id === NEWLINE) return "start";
  if (id < 4096) return "word";
  if (id === STOP || id === HAN_STOP) return "stop";
  const text = tokenText(id);
  if (/[A-Za-z0-9_]$/.test(text)) return "word";
  return /\p{Script=Han}$/u.test(text) ? "han" : "other";
}

/** 32 bits in, 32 well mixed bits out (the finaliser of MurmurHash3). */
export function scramble(value: number): number {
  value = Math.imul(value ^ value >>> 16, 0x85ebca6b);
  value = Math.imul(value ^ value >>> 13, 0xc2b2ae35);
  return value ^ value >>> 16;
}

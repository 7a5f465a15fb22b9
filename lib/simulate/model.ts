// The language model: a function from the tokens so far to the next one, as a real model is at
// temperature 0. Two instances with the same seed therefore continue each other's answers exactly.
// When an answer ends is left to plan.ts.

import { bareWordId, characterId, spacedWordId, tokenText, WORDS } from "./tokenizer.ts";

const HAN = [..."今天我们在山上看见一条河水很清风轻云白花开鸟语人心安静时光如书"];
const EMOJI = ["🙂", "🚀", "🌊", "🎉", "🦕"];
const COMMA = characterId(",");
const STOP = characterId(".");
const HAN_STOP = characterId("。");
const NEWLINE = characterId("\n");
const HAN_IDS = HAN.map(characterId);
const EMOJI_IDS = EMOJI.map(characterId);

/** What the model knows of the tokens so far. */
export interface ModelState {
  hash: number;
  last: number;
}

/** The state before any token. Another seed is another model. */
export function initialState(seed: number): ModelState {
  return { hash: scramble(seed ^ 0x5bd1e995), last: -1 };
}

/** Takes one more token in. */
export function advance(state: ModelState, id: number): void {
  state.hash = scramble(Math.imul(state.hash, 31) + id | 0);
  state.last = id;
}

/** The next token; `salt` stands for sampling, 0 for temperature 0. */
export function nextToken(state: ModelState, salt: number): number {
  const random = scramble(state.hash ^ salt ^ 0x2c1b3c6d) >>> 0;
  const choice = random % 100;
  const pick = Math.floor(random / 100);
  const kind = kindOf(state.last);
  if (kind === "start") return bareWordId(pick % WORDS.length);
  if (kind === "han") {
    if (choice < 75) return HAN_IDS[pick % HAN_IDS.length];
    if (choice < 90) return HAN_STOP;
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

// Text to token ids and back, without a vocabulary file: common words are one token, other words
// pieces of up to four letters, everything else one token a character (Chinese and emoji too), or one
// a byte where the vocabulary is that of a byte-level BPE.
//
// Encoding goes strictly from left to right and a word starts with the space before it, so that the
// ids of a text followed by whole tokens are the ids of the text followed by those tokens, as long
// as a word that follows a word brings its space. model.ts keeps to that.

/** Tokens that only the chat template and the model's markup use. */
export const SPECIAL = {
  endOfText: 0,
  start: 1,
  end: 2,
  think: 3,
  thinkEnd: 4,
  toolCall: 5,
  toolCallEnd: 6,
  tools: 7,
  toolsEnd: 8,
} as const;

const SPECIAL_TEXTS = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<think>",
  "</think>",
  "<tool_call>",
  "</tool_call>",
  "<tools>",
  "</tools>",
];

/** Words that are one token, with their leading space and without. */
export const WORDS =
  `the of and to in a is that for it as was with be by on not he his but at are this have from or had
an they which one you were all her she there would their we him been has when who will no more if out so up
said what its about than into them can only other time new some could these two may first then do any like my
now over such our man me even most made after also did many off before must well back through years much where
your way down should because long each just state people those too mr how little good world make very year
still see own work men day get here old life both between being under three never know same last another while
us might great go come since against right came take used himself few house use place during high without
again home around small however found mrs thought went say part once general upon school every water system
model answer user assistant question number data light simple because gateway stream token server request
morning river mountain window story letter music garden winter summer number engine record memory colour`
    .split(/\s+/).filter((word, index, all) => all.indexOf(word) === index);

/** An empty line is one token, as in the vocabularies of Qwen and DeepSeek. */
const EMPTY_LINE = 98;
const FIRST_WORD = 100;
const FIRST_BYTE = 1024;
const FIRST_CHARACTER = 4096;
const FIRST_PIECE = 0x200000;
const SPACED_PIECE = 1 << 24;
const LAST_ID = FIRST_PIECE + 2 * SPACED_PIECE - 1;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

const idOfText = new Map<string, number>();
const textOfId: string[] = [];
SPECIAL_TEXTS.forEach((text, id) => note(text, id));
note("\n\n", EMPTY_LINE);
WORDS.forEach((word, index) => {
  note(` ${word}`, FIRST_WORD + 2 * index);
  note(word, FIRST_WORD + 2 * index + 1);
});

function note(text: string, id: number): void {
  idOfText.set(text, id);
  textOfId[id] = text;
}

/** The id of a word of WORDS with the space before it. */
export function spacedWordId(index: number): number {
  return FIRST_WORD + 2 * index;
}

/** The id of a word of WORDS without a space before it. */
export function bareWordId(index: number): number {
  return FIRST_WORD + 2 * index + 1;
}

/** The id of a single character. */
export function characterId(character: string): number {
  return FIRST_CHARACTER + character.codePointAt(0)!;
}

const TOKENS =
  /<\|(?:endoftext|im_start|im_end)\|>|<\/?(?:think|tool_call|tools)>|\n\n| ?[A-Za-z0-9_]+|[^]/gu;

/** Text to token ids. */
export type Encode = (text: string) => number[];

/** The token ids of a text, each character beyond ASCII one token. */
export function encode(text: string): number[] {
  return tokens(text, (character) => [characterId(character)]);
}

/** The token ids of a text, each character beyond ASCII as many as it has bytes. */
export function encodeBytes(text: string): number[] {
  return tokens(text, bytesOf);
}

/** The ids of a character's bytes. */
export function bytesOf(character: string): number[] {
  if (character < "\x80") return [characterId(character)];
  return [...new TextEncoder().encode(character)].map((byte) => FIRST_BYTE + byte);
}

function tokens(text: string, others: (character: string) => number[]): number[] {
  const ids: number[] = [];
  for (const [match] of text.matchAll(TOKENS)) {
    const id = idOfText.get(match);
    if (id !== undefined) ids.push(id);
    else if (/^ ?\w/.test(match)) pieces(match, ids);
    else ids.push(...others(match));
  }
  return ids;
}

function pieces(word: string, ids: number[]): void {
  let spaced = word[0] === " ";
  for (let at = spaced ? 1 : 0; at < word.length; at += 4) {
    ids.push(pieceId(word.slice(at, at + 4), spaced));
    spaced = false;
  }
}

/** The id of up to four letters, with a space before them or without. */
export function pieceId(letters: string, spaced: boolean): number {
  let packed = 0;
  for (let at = 0; at < 4; at++) {
    packed = packed * 64 + (at < letters.length ? LETTERS.indexOf(letters[at]) + 1 : 0);
  }
  return FIRST_PIECE + (spaced ? SPACED_PIECE : 0) + packed;
}

/** The byte that a token stands for, or null where it is whole text. */
export function byteOf(id: number): number | null {
  return id >= FIRST_BYTE && id < FIRST_BYTE + 256 ? id - FIRST_BYTE : null;
}

/** True for an id that `encode` could have given. */
export function isTokenId(id: unknown): id is number {
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= LAST_ID &&
    decodeOne(id) !== undefined;
}

function decodeOne(id: number): string | undefined {
  if (byteOf(id) !== null) return "\uFFFD";
  if (id < FIRST_CHARACTER) return textOfId[id];
  if (id < FIRST_PIECE) {
    const codePoint = id - FIRST_CHARACTER;
    return codePoint <= 0x10FFFF ? String.fromCodePoint(codePoint) : undefined;
  }
  let packed = id - FIRST_PIECE;
  let text = "";
  const spaced = packed >= SPACED_PIECE;
  if (spaced) packed -= SPACED_PIECE;
  for (let letter = packed; letter > 0; letter = Math.floor(letter / 64)) {
    if (letter % 64 > 0) text = LETTERS[letter % 64 - 1] + text;
  }
  return (spaced ? " " : "") + text;
}

/**
 * The text of one token; special tokens by their names, a single byte as U+FFFD. Throws RangeError on
 * an unknown id.
 */
export function tokenText(id: number): string {
  const text = decodeOne(id);
  if (text === undefined) throw new RangeError(`token id ${id} is out of vocabulary`);
  return text;
}

/** The text of a list of tokens. Throws RangeError on an unknown id. */
export function decode(ids: readonly number[]): string {
  let text = "";
  let bytes: number[] = [];
  for (const id of ids) {
    const byte = byteOf(id);
    if (byte !== null) {
      bytes.push(byte);
      continue;
    }
    text += textOfBytes(bytes) + tokenText(id);
    bytes = [];
  }
  return text + textOfBytes(bytes);
}

/** Bytes as text; what is no UTF-8 becomes U+FFFD. */
export function textOfBytes(bytes: readonly number[]): string {
  return bytes.length === 0 ? "" : new TextDecoder().decode(new Uint8Array(bytes));
}

/** True for the tokens that `skip_special_tokens` hides: the marks of turns and ends. */
export function isSpecial(id: number): boolean {
  return id <= SPECIAL.end;
}

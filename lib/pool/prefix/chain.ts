// What stands for the beginning of a prompt: a hash for each 512 bytes of it, each over all that is before
// its end, so that two prompts have as many hashes in common as they begin alike. Bytes are taken as they
// come; no tokenizer and no template is needed to see that two beginnings are equal. Figures:
// docs/decisions/routing.md.

import { hashOf } from "../memory/hash_table.ts";
import { endOfBlob, LONG_BYTES, startOfBlob } from "./blob.ts";

export const CHUNK_BYTES = 512;
/** What an image or another long value counts as. */
const MEDIA_TOKENS = 1000;
/** Of a long value so much of its begin and its end is looked at … */
const EDGE_BYTES = 256;
/** … and of what lies between so many samples of so many bytes. */
const SAMPLES = 16;
const SAMPLE_BYTES = 8;

const NO_LANES = new Int32Array(0);
const NO_MEDIA: readonly number[] = [];
/** What the four states begin with, and what each word is multiplied by. */
const BEGINNINGS = Int32Array.of(0x9e3779b9, 0x7f4a7c15, 0x94d049bb, 0x2545f491);
const FACTOR = 0x85ebca6b;

/** Where a part of the prompt stands in the body. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/** What is known of a request's prompt before it is hashed. */
export interface Prompt {
  /** In the order in which the model reads them. Of several prompts the first. */
  readonly parts: readonly Part[];
  /** Bytes of the prompts behind the first. */
  readonly moreBytes: number;
  /** How many tokens, where it is given as such. */
  readonly ids: number | null;
  /** Prompts of different salt share no cache. */
  readonly salt: string;
  /** Tokens that the answer may have at most; 0 where that is not said. */
  readonly answerTokens: number;
}

/** Of a request without a prompt, or with one of which nothing is known. */
export const UNKNOWN_PROMPT: Prompt = {
  parts: [],
  moreBytes: 0,
  ids: null,
  salt: "",
  answerTokens: 0,
};

/** The hashes of one prompt, and what is known of its length. */
export class PromptChain {
  constructor(
    /** Two words for each chunk. */
    readonly lanes: Int32Array,
    /** Of text, those that were not hashed included. */
    readonly bytes: number,
    /** For each long value the number of chunks by whose end it is over. */
    readonly media: readonly number[] = [],
    /** How many tokens, where the prompt was given as such. */
    readonly ids: number | null = null,
    /** Those of `bytes` that are in other prompts of the same request. */
    private readonly moreBytes = 0,
  ) {}

  get length(): number {
    return this.lanes.length / 2;
  }

  /** About how many tokens it has, at so many bytes a token. */
  tokens(bytesPerToken: number): number {
    return this.#tokensIn(this.bytes, bytesPerToken);
  }

  /** About how many tokens its first prompt has: each has a context of its own. */
  contextTokens(bytesPerToken: number): number {
    return this.#tokensIn(this.bytes - this.moreBytes, bytesPerToken);
  }

  #tokensIn(bytes: number, bytesPerToken: number): number {
    return this.ids ?? Math.ceil(bytes / bytesPerToken) + MEDIA_TOKENS * this.media.length;
  }

  /** About how many tokens are in its first `chunks`. */
  tokensOf(chunks: number, bytesPerToken: number): number {
    if (chunks === 0) return 0;
    const share = Math.min(1, (chunks * CHUNK_BYTES) / Math.max(1, this.bytes));
    if (this.ids !== null) return this.ids * share;
    let media = 0;
    for (const end of this.media) if (end <= chunks) media++;
    return (this.bytes * share) / bytesPerToken + MEDIA_TOKENS * media;
  }
}

/** The chain of an unknown prompt. */
export const NO_CHAIN: PromptChain = new PromptChain(new Int32Array(0), 0);

/** Makes chains. Keeps its buffers from one prompt to the next, so one for each isolate is enough. */
export class PromptHasher {
  readonly #lanes: Int32Array;
  readonly #staging = new Uint8Array(CHUNK_BYTES);
  readonly #stagingView = new DataView(this.#staging.buffer);
  readonly #summary = new Uint8Array(8 + 2 * EDGE_BYTES + SAMPLES * SAMPLE_BYTES);
  #filled = 0;
  #chunks = 0;
  #bytes = 0;
  #media: number[] = [];
  /** Over all chunks so far. */
  readonly #states = new Int32Array(4);

  /** Looks at `maxBytes` of a prompt at most. */
  constructor(maxBytes = 1024 * 1024) {
    this.#lanes = new Int32Array(2 * Math.floor(maxBytes / CHUNK_BYTES));
  }

  /** The chain of the prompt that stands in `body`. */
  chain(body: Uint8Array, { parts, moreBytes, ids, salt }: Prompt): PromptChain {
    let bytes = 0;
    for (const { start, end } of parts) bytes += end - start;
    if (bytes < CHUNK_BYTES) {
      return new PromptChain(NO_LANES, bytes + moreBytes, NO_MEDIA, ids, moreBytes);
    }
    const seed = salt === "" ? 0 : hashOf(salt);
    this.#states.set(BEGINNINGS);
    this.#states[0] ^= seed | 0;
    this.#states[1] ^= seed / 2 ** 32;
    this.#filled = this.#chunks = this.#bytes = 0;
    this.#media = [];
    for (const part of parts) this.#part(body, part);
    const lanes = this.#chunks === 0 ? NO_LANES : this.#lanes.slice(0, 2 * this.#chunks);
    return new PromptChain(lanes, this.#bytes + moreBytes, this.#media, ids, moreBytes);
  }

  #part(body: Uint8Array, { start, end }: Part): void {
    let hashed = start;
    for (let at = start; at + LONG_BYTES <= end;) {
      const blob = startOfBlob(body, at, end);
      if (blob < 0) break;
      const blobEnd = endOfBlob(body, blob, end);
      this.#text(body, hashed, blob);
      this.#blob(body, blob, blobEnd);
      hashed = at = blobEnd;
    }
    this.#text(body, hashed, end);
  }

  get #isFull(): boolean {
    return 2 * this.#chunks === this.#lanes.length;
  }

  #text(body: Uint8Array, start: number, end: number): void {
    this.#bytes += end - start;
    this.#feed(body, start, end);
  }

  /** A long value goes in as its length and a look at it, not whole. */
  #blob(body: Uint8Array, start: number, end: number): void {
    const summary = this.#summary;
    new DataView(summary.buffer).setFloat64(0, end - start);
    summary.set(body.subarray(start, start + EDGE_BYTES), 8);
    summary.set(body.subarray(end - EDGE_BYTES, end), 8 + EDGE_BYTES);
    for (let sample = 0, at = 8 + 2 * EDGE_BYTES; sample < SAMPLES; sample++, at += SAMPLE_BYTES) {
      const from = start + Math.floor(((sample + 0.5) / SAMPLES) * (end - start - SAMPLE_BYTES));
      summary.set(body.subarray(from, from + SAMPLE_BYTES), at);
    }
    this.#feed(summary, 0, summary.length);
    this.#media.push(this.#chunks + (this.#filled > 0 ? 1 : 0));
  }

  #feed(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    if (this.#filled > 0) {
      const taken = Math.min(CHUNK_BYTES - this.#filled, end - at);
      this.#staging.set(bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled < CHUNK_BYTES) return;
      this.#hash(this.#stagingView, 0, 1);
      this.#filled = 0;
    }
    const whole = Math.floor((end - at) / CHUNK_BYTES);
    if (whole > 0) {
      this.#hash(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at, whole);
      at += whole * CHUNK_BYTES;
    }
    if (this.#isFull) return;
    this.#staging.set(bytes.subarray(at, end));
    this.#filled = end - at;
  }

  /**
   * Hashes chunks from `start` on. Four states side by side, each over every fourth word: none waits for
   * another, which is what takes the time. A step can be undone, so whatever differs in one word differs in
   * its state.
   */
  #hash(view: DataView, start: number, chunks: number): void {
    const states = this.#states;
    const lanes = this.#lanes;
    const last = Math.min(lanes.length, 2 * (this.#chunks + chunks));
    let one = states[0];
    let two = states[1];
    let three = states[2];
    let four = states[3];
    let at = start;
    for (let lane = 2 * this.#chunks; lane < last; lane += 2) {
      for (const end = at + CHUNK_BYTES; at < end; at += 16) {
        one = Math.imul(one ^ view.getInt32(at, true), FACTOR);
        two = Math.imul(two ^ view.getInt32(at + 4, true), FACTOR);
        three = Math.imul(three ^ view.getInt32(at + 8, true), FACTOR);
        four = Math.imul(four ^ view.getInt32(at + 12, true), FACTOR);
        one = (one << 15) | (one >>> 17);
        two = (two << 15) | (two >>> 17);
        three = (three << 15) | (three >>> 17);
        four = (four << 15) | (four >>> 17);
      }
      lanes[lane] = mixed(one + mixed(two + mixed(three + mixed(four))));
      lanes[lane + 1] = mixed(four ^ mixed(three ^ mixed(two ^ mixed(one))));
    }
    states[0] = one;
    states[1] = two;
    states[2] = three;
    states[3] = four;
    this.#chunks = last / 2;
  }
}

/** Every bit of the word in every bit of the hash (MurmurHash3's end). */
function mixed(word: number): number {
  let hash = word | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

// Automatic prefix caching as vLLM does it: full blocks of 16 tokens, each known by the hash of
// itself and all before it, least recently used out first.

import { scramble } from "./model.ts";

/** Tokens a block. */
export const BLOCK_SIZE = 16;

export class PrefixCache {
  #blocks = new Map<string, true>();
  /** Tokens looked up and tokens found, ever. */
  queries = 0;
  hits = 0;

  /** `capacity` in blocks; 0 switches the cache off. */
  constructor(readonly capacity: number) {}

  clear(): void {
    this.#blocks.clear();
  }

  /** Tokens of the prompt that are cached: full blocks, and never the last token of the prompt. */
  lookUp(ids: readonly number[], salt: string): number {
    if (this.capacity === 0) return 0;
    let cached = 0;
    for (const key of keys(ids, salt)) {
      if (!this.#blocks.has(key)) break;
      this.#use(key);
      cached += BLOCK_SIZE;
    }
    cached = Math.min(cached, Math.floor((ids.length - 1) / BLOCK_SIZE) * BLOCK_SIZE);
    this.queries += ids.length;
    this.hits += cached;
    return cached;
  }

  /** Keeps the blocks of a prompt and its answer. */
  store(ids: readonly number[], salt: string): void {
    if (this.capacity === 0) return;
    for (const key of keys(ids, salt)) this.#use(key);
    while (this.#blocks.size > this.capacity) {
      const oldest = this.#blocks.keys().next().value!;
      this.#blocks.delete(oldest);
    }
  }

  #use(key: string): void {
    this.#blocks.delete(key);
    this.#blocks.set(key, true);
  }
}

function* keys(ids: readonly number[], salt: string): Generator<string> {
  let one = 1;
  let two = 2;
  for (const character of salt) one = scramble(one * 31 + character.codePointAt(0)!);
  for (let end = BLOCK_SIZE; end <= ids.length; end += BLOCK_SIZE) {
    for (let at = end - BLOCK_SIZE; at < end; at++) {
      one = scramble(one ^ ids[at]);
      two = Math.imul(two, 0x01000193) ^ ids[at];
    }
    yield `${one}.${two}`;
  }
}

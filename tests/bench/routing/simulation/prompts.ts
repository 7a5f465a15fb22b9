// Prompts without words: a row of segments (a system prompt, a turn, an answer), each known by its number, of
// which only the length counts. Prompts that begin with the same segments begin alike.

/** Tokens a chunk of which gateways see a hash: 512 bytes of English. */
const CHUNK_TOKENS = 128;

export class Segments {
  /** By number; 0 is none. */
  readonly #tokens: number[] = [0];

  /** The number of a new one. */
  add(tokens: number): number {
    return this.#tokens.push(tokens) - 1;
  }

  tokens(segment: number): number {
    return this.#tokens[segment];
  }

  /** Of a whole prompt. */
  sum(segments: readonly number[]): number {
    return segments.reduce((sum, segment) => sum + this.#tokens[segment], 0);
  }

  /** A hash for each chunk, over all that is before its end. */
  chain(segments: readonly number[]): number[] {
    const chain: number[] = [];
    let hash = 0x9e3779b9 | 0;
    let filled = 0;
    for (const segment of segments) {
      let left = this.#tokens[segment];
      let offset = 0;
      while (left > 0) {
        const taken = Math.min(left, CHUNK_TOKENS - filled);
        offset += taken;
        left -= taken;
        filled += taken;
        hash = mixed(mixed(hash, segment), offset);
        if (filled < CHUNK_TOKENS) continue;
        chain.push(hash);
        filled = 0;
      }
    }
    return chain;
  }
}

function mixed(hash: number, value: number): number {
  let next = Math.imul(hash ^ value, 0x85ebca6b);
  next ^= next >>> 13;
  next = Math.imul(next, 0xc2b2ae35);
  return (next ^ (next >>> 16)) | 0;
}

// An instance as a replay has it: a KV cache that loses what was used longest ago, and one prompt computed
// after another. Simple on purpose: how long an answer took is taken from the record.

import type { Arrival } from "./traffic.ts";

export interface EngineSize {
  /** Tokens that its KV cache holds. */
  readonly kvTokens: number;
  /** Prompt tokens that it computes in a second. */
  readonly tokensPerSecond: number;
}

export class Engine {
  /** Tokens of what is cached, in the order of the last use. */
  readonly #cache = new Map<string, number>();
  #held = 0;
  /** Tokens up to the end of an answer, by what stands for the turns up to there. */
  readonly #turns = new Map<number, number>();
  /** Milliseconds at which all that was sent is computed. */
  #freeAt = 0;

  constructor(private readonly size: EngineSize) {}

  /** Takes a request at `now`: how many tokens of its prompt were cached, and when its first one comes. */
  take(arrival: Arrival, now: number): { cached: number; firstAt: number } {
    const { tokens } = arrival;
    // vLLM computes the last token in any case.
    const cached = Math.min(tokens - 1, this.#cachedOf(arrival));
    this.#keep(arrival);
    const computedMs = (tokens - cached) / this.size.tokensPerSecond * 1000;
    this.#freeAt = Math.max(now, this.#freeAt) + computedMs;
    return { cached: Math.max(0, cached), firstAt: this.#freeAt };
  }

  #cachedOf({ chain, tokens, before }: Arrival): number {
    let chunks = 0;
    while (chunks < chain.length && this.#cache.has(keyOf(chain.lanes, chunks))) chunks++;
    const turns = this.#cache.has(`turn ${before}`) ? this.#turns.get(before) ?? 0 : 0;
    return Math.max(Math.floor(chain.tokensOf(chunks, 1)), Math.min(tokens, turns));
  }

  /** What comes last in a prompt is lost first. */
  #keep({ chain, tokens, answerTokens, after }: Arrival): void {
    const each = chain.length === 0 ? 0 : chain.tokensOf(1, 1);
    const rest = Math.max(0, tokens - each * chain.length);
    this.#use(`turn ${after}`, rest + answerTokens);
    this.#turns.set(after, tokens + answerTokens);
    for (let chunk = chain.length - 1; chunk >= 0; chunk--) {
      this.#use(keyOf(chain.lanes, chunk), each);
    }
    for (const [key, held] of this.#cache) {
      if (this.#held <= this.size.kvTokens) break;
      this.#cache.delete(key);
      this.#held -= held;
      if (key.startsWith("turn ")) this.#turns.delete(Number(key.slice(5)));
    }
  }

  #use(key: string, tokens: number): void {
    this.#held += tokens - (this.#cache.get(key) ?? 0);
    this.#cache.delete(key);
    this.#cache.set(key, tokens);
  }
}

function keyOf(lanes: Int32Array, chunk: number): string {
  return `${lanes[2 * chunk]} ${lanes[2 * chunk + 1]}`;
}

// KV blocks of the requests that run. Where they need more than there are, the one that began last gives all of
// its own back and is computed anew, as vLLM's preemption by recomputation does.

import { BLOCK_SIZE } from "./prefix_cache.ts";

/** A request that holds blocks. */
export interface Holder {
  /** Tokens of its prompt and of what is written so far. */
  readonly tokens: number;
  /** Its blocks are gone: what was computed has to be computed anew. */
  preempt(): void;
}

interface Returning {
  readonly holder: Holder;
  readonly granted: () => void;
}

export class Blocks {
  /** In the order of their begin. */
  readonly #holders = new Set<Holder>();
  #returning: Returning[] = [];
  /** How often one had to give its blocks back, ever. */
  preemptions = 0;

  /** `capacity` in blocks; 0 for no bound. */
  constructor(private readonly capacity: number) {}

  get inUse(): number {
    let blocks = 0;
    for (const { tokens } of this.#holders) blocks += blocksOf(tokens);
    return blocks;
  }

  /** It holds blocks from now on; where there are too few, the last to begin loses its own. */
  hold(holder: Holder): void {
    this.#holders.add(holder);
    this.fit();
  }

  /** It was computed anew: `granted` is called once there is room for it. */
  holdAgain(holder: Holder, granted: () => void): void {
    this.#returning.push({ holder, granted });
    this.#grant();
  }

  /** It is over. */
  release(holder: Holder): void {
    this.#holders.delete(holder);
    this.#returning = this.#returning.filter((one) => one.holder !== holder);
    this.#grant();
  }

  /** Takes from those that began last until all fit; one is always left. */
  fit(): void {
    if (this.capacity === 0) return;
    while (this.#holders.size > 1 && this.inUse > this.capacity) {
      const last = [...this.#holders].at(-1)!;
      this.#holders.delete(last);
      this.preemptions++;
      last.preempt();
    }
  }

  #grant(): void {
    for (let next = this.#returning[0]; next !== undefined; next = this.#returning[0]) {
      const needed = this.inUse + blocksOf(next.holder.tokens);
      // One alone always fits.
      if (this.#holders.size > 0 && needed > this.capacity) return;
      this.#returning.shift();
      this.#holders.add(next.holder);
      next.granted();
    }
  }
}

const blocksOf = (tokens: number) => Math.ceil(tokens / BLOCK_SIZE);

// Places in memory that workers share, into which all of them write and from which the main isolate takes. Under
// the pool's lock. Closed it costs nothing; a reader that is late loses the oldest. What stands in a place is
// its owner's.

import type { Layout } from "./layout.ts";

const OPEN = 0;
const WRITTEN = 1;
const TAKEN = 2;

export class Ring {
  readonly #state: Int32Array;

  /** `places`: a power of two, so that places follow each other when the count of 32 bits begins anew. */
  constructor(layout: Layout, private readonly places: number) {
    this.#state = layout.ints(3);
  }

  get isOpen(): boolean {
    return this.#state[OPEN] === 1;
  }

  /** From now on is kept what is written, nothing of before. */
  open(): void {
    this.#state[TAKEN] = this.#state[WRITTEN];
    this.#state[OPEN] = 1;
  }

  close(): void {
    this.#state[OPEN] = 0;
  }

  /** The place to write to next. */
  next(): number {
    return (this.#state[WRITTEN]++ >>> 0) % this.places;
  }

  /** What was written since the last time: the place of the oldest, and how many follow each other from there. */
  take(): { from: number; count: number } {
    const written = this.#state[WRITTEN];
    const count = Math.min(this.places, (written - this.#state[TAKEN]) >>> 0);
    this.#state[TAKEN] = written;
    return { from: ((written - count) >>> 0) % this.places, count };
  }
}

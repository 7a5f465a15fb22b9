// Counts that every worker keeps for itself in a row of its own, so that those of a dead one can be
// dropped; what is asked for is the sum over all.

import type { Layout } from "./layout.ts";

/** Isolates that may serve at once, the main one included. */
export const MAX_WORKERS = 64;

/** Who takes part: sums go no further than the highest number seen. */
export class Workers {
  readonly #highest: Int32Array;

  /** `own` is this isolate's number, 0 to MAX_WORKERS - 1. */
  constructor(layout: Layout, readonly own: number) {
    this.#highest = layout.ints(1);
    if (own > this.#highest[0]) Atomics.store(this.#highest, 0, own);
  }

  get highest(): number {
    return this.#highest[0];
  }
}

export class WorkerCounts {
  readonly #rows: Int32Array;

  /** `places` counts for each worker. */
  constructor(layout: Layout, private readonly places: number, private readonly workers: Workers) {
    this.#rows = layout.ints(MAX_WORKERS * places);
  }

  /** Over all workers. */
  sum(place: number): number {
    let sum = 0;
    for (let worker = this.workers.highest; worker >= 0; worker--) {
      sum += this.#rows[worker * this.places + place];
    }
    return sum;
  }

  /** This worker's alone. */
  own(place: number): number {
    return this.#rows[this.workers.own * this.places + place];
  }

  add(place: number, change: number): void {
    Atomics.add(this.#rows, this.workers.own * this.places + place, change);
  }

  /** Forgets what a worker that died has counted. */
  drop(worker: number): void {
    this.#rows.fill(0, worker * this.places, (worker + 1) * this.places);
  }
}

// Who waits, for each model: how many in each worker, and the place of each worker's first.

import type { Layout } from "./layout.ts";
import { MAX_WORKERS, WorkerCounts, type Workers } from "./worker_counts.ts";

export class LineMemory {
  readonly #lengths: WorkerCounts;
  /** Place of the first, a row for each worker; 0 for nobody. */
  readonly #fronts: Float64Array;
  readonly #tickets: Int32Array;

  constructor(layout: Layout, private readonly lines: number, private readonly workers: Workers) {
    this.#lengths = new WorkerCounts(layout, lines, workers);
    this.#tickets = layout.ints(1);
    this.#fronts = layout.doubles(MAX_WORKERS * lines);
  }

  /** Requests that wait in `line`, over all workers. */
  length(line: number): number {
    return this.#lengths.sum(line);
  }

  add(line: number, change: 1 | -1): void {
    this.#lengths.add(line, change);
  }

  /** The lowest place in `line` over all workers; Infinity when nobody waits. */
  front(line: number): number {
    let front = Infinity;
    for (let worker = this.workers.highest; worker >= 0; worker--) {
      const place = this.#fronts[worker * this.lines + line];
      if (place !== 0 && place < front) front = place;
    }
    return front;
  }

  /** The place of this worker's first; Infinity when it has none. */
  setOwnFront(line: number, place: number): void {
    this.#fronts[this.workers.own * this.lines + line] = place === Infinity ? 0 : place;
  }

  /** The number of one more who waits, from 1 on (after four thousand million again). */
  nextTicket(): number {
    return (Atomics.add(this.#tickets, 0, 1) >>> 0) + 1;
  }

  dropWorker(worker: number): void {
    this.#lengths.drop(worker);
    this.#fronts.fill(0, worker * this.lines, (worker + 1) * this.lines);
  }
}

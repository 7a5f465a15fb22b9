// Which isolates have more streams than they keep up with.

import type { Layout } from "./layout.ts";
import { WorkerCounts, type Workers } from "./worker_counts.ts";

export class SaturatedMemory {
  readonly #saturated: WorkerCounts;

  constructor(layout: Layout, workers: Workers) {
    this.#saturated = new WorkerCounts(layout, 1, workers);
  }

  /** Over all workers. */
  get count(): number {
    return this.#saturated.sum(0);
  }

  /** Says so of this worker, once each time that it changes. */
  change(isSaturated: boolean): void {
    this.#saturated.add(0, isSaturated ? 1 : -1);
  }

  dropWorker(worker: number): void {
    this.#saturated.drop(worker);
  }
}

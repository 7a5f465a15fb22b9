// What the gateway itself has sent to each instance and has no first token of yet: exact at once, where
// metrics are late. Each worker counts in a row of its own, so that those of a dead one can be dropped.

import type { Layout } from "../memory/layout.ts";
import { MAX_WORKERS, WorkerCounts, type Workers } from "../memory/worker_counts.ts";

export class OwnTraffic {
  readonly #unanswered: WorkerCounts;
  /** Prompt tokens to be computed, a row of all slots for each worker. */
  readonly #pending: Float64Array;

  constructor(layout: Layout, private readonly slots: number, private readonly workers: Workers) {
    this.#unanswered = new WorkerCounts(layout, slots, workers);
    this.#pending = layout.doubles(MAX_WORKERS * slots);
  }

  /** Requests to the instance in `slot` without a first token, over all workers. */
  unanswered(slot: number): number {
    return this.#unanswered.sum(slot);
  }

  /** Tokens that these requests have still to be computed. */
  pending(slot: number): number {
    let sum = 0;
    for (let worker = this.workers.highest; worker >= 0; worker--) {
      sum += this.#pending[worker * this.slots + slot];
    }
    return sum;
  }

  /** One more request, of so many whole tokens that are not cached there. */
  add(slot: number, tokens: number): void {
    this.#unanswered.add(slot, 1);
    this.#pending[this.workers.own * this.slots + slot] += tokens;
  }

  /** Its first token has come, or its end. */
  remove(slot: number, tokens: number): void {
    this.#unanswered.add(slot, -1);
    this.#pending[this.workers.own * this.slots + slot] -= tokens;
  }

  /** Forgets what a worker that died has counted. */
  dropWorker(worker: number): void {
    this.#unanswered.drop(worker);
    this.#pending.fill(0, worker * this.slots, (worker + 1) * this.slots);
  }
}

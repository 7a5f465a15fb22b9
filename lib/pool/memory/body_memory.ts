// What all workers hold of request bodies, in KiB (bytes would pass what a word can count), and how many
// were refused for it.

import type { Layout } from "./layout.ts";
import { WorkerCounts, type Workers } from "./worker_counts.ts";

const HELD = 0;
const LARGE = 1;
const PAUSED = 2;

export class BodyMemory {
  readonly #kib: WorkerCounts;
  readonly #refused: Int32Array;

  constructor(layout: Layout, workers: Workers) {
    this.#kib = new WorkerCounts(layout, 3, workers);
    this.#refused = layout.ints(1);
  }

  /** All of it. */
  get heldKib(): number {
    return this.#kib.sum(HELD);
  }

  /** Of it, what belongs to large bodies. */
  get largeKib(): number {
    return this.#kib.sum(LARGE);
  }

  /** Of that, what belongs to bodies that wait for room. */
  get pausedKib(): number {
    return this.#kib.sum(PAUSED);
  }

  /** Bodies, since the start. */
  get refused(): number {
    return Atomics.load(this.#refused, 0) >>> 0;
  }

  addHeld(kib: number): void {
    this.#kib.add(HELD, kib);
  }

  addLarge(kib: number): void {
    this.#kib.add(LARGE, kib);
  }

  addPaused(kib: number): void {
    this.#kib.add(PAUSED, kib);
  }

  addRefused(): void {
    Atomics.add(this.#refused, 0, 1);
  }

  dropWorker(worker: number): void {
    this.#kib.drop(worker);
  }
}

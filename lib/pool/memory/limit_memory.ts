// Numbers behind the limits of callers, by a hash of whose they are: two buckets, what runs, who waits. A
// lock of their own guards them, so that limits do not stand in the way of picks. What the numbers mean is left to lib/caller.

import { HashTable } from "./hash_table.ts";
import type { Layout } from "./layout.ts";
import { Lock } from "./lock.ts";
import { WorkerCounts, type Workers } from "./worker_counts.ts";

/** Keys, groups and models that are limited or counted at one time. */
const PLACES = 8192;
/** One may stand at any of so many places. */
const REACH = 64;

export type Bucket = "requests" | "tokens";
const BUCKETS: Readonly<Record<Bucket, number>> = { requests: 0, tokens: 1 };

export class LimitMemory {
  /** Requests under way. */
  readonly running: WorkerCounts;
  /** Requests that wait, for a limit or for an instance. */
  readonly waiting: WorkerCounts;
  /** Those of any key that wait for a limit. */
  readonly #inLine: WorkerCounts;
  readonly lock: Lock;
  readonly #table: HashTable;
  /** When each bucket is full again, by the clock that workers share; 0 for one that was never used. */
  readonly #fullAt: Float64Array;

  constructor(layout: Layout, workers: Workers) {
    this.lock = new Lock(layout, workers.own);
    this.#table = new HashTable(layout, PLACES, REACH);
    this.#fullAt = layout.doubles(2 * PLACES);
    this.running = new WorkerCounts(layout, PLACES, workers);
    this.waiting = new WorkerCounts(layout, PLACES, workers);
    this.#inLine = new WorkerCounts(layout, 1, workers);
  }

  /** Runs `body` while no other worker runs one of these. Not reentrant. */
  locked<T>(body: () => T): T {
    return this.lock.run(body);
  }

  /**
   * The place of this hash, made where there was none: one that nobody would miss gives way. -1 where all
   * are needed. Under the lock.
   */
  place(hash: number, now: number): number {
    const known = this.#table.find(hash);
    if (known >= 0) return known;
    const place = this.#table.claim(hash, (other) => this.#isIdle(other, now));
    if (place >= 0) this.#fullAt.fill(0, 2 * place, 2 * place + 2);
    return place;
  }

  /** Whether a new one at its place would be as this one is. */
  #isIdle(place: number, now: number): boolean {
    if (this.#fullAt[2 * place] > now || this.#fullAt[2 * place + 1] > now) return false;
    return this.running.sum(place) === 0 && this.waiting.sum(place) === 0;
  }

  /** One more of this worker's requests waits for a limit, or one fewer. */
  stands(change: 1 | -1): void {
    this.#inLine.add(0, change);
  }

  /** Whether requests of other workers wait for limits. */
  get othersStand(): boolean {
    return this.#inLine.sum(0) > this.#inLine.own(0);
  }

  fullAt(place: number, bucket: Bucket): number {
    return this.#fullAt[2 * place + BUCKETS[bucket]];
  }

  setFullAt(place: number, bucket: Bucket, at: number): void {
    this.#fullAt[2 * place + BUCKETS[bucket]] = at;
  }

  dropWorker(worker: number): void {
    this.lock.dropWorker(worker);
    this.running.drop(worker);
    this.waiting.drop(worker);
    this.#inLine.drop(worker);
  }
}

// The lock that makes a pick and its claim one step over all workers. What it guards takes microseconds, so
// it is tried again a few times first; then the thread sleeps until the lock is opened, and leaves its
// core to whoever holds it. Figures and what else was considered: docs/decisions/shared-memory.md.

import type { Layout } from "./layout.ts";

const HOLDER = 0;
const SLEEPERS = 1;

const SPINS = 64;
/** A lost wake-up costs no more than this. */
const SLEEP_MS = 5;
/** After so many sleeps in a row without a wake-up (two seconds) the holder is taken for dead. */
const SLEEPS_TO_LOST = 400;

export class Lock {
  /** Number of the holder plus 1, or 0; how many sleep. */
  readonly #words: Int32Array;
  readonly #mine: number;

  constructor(layout: Layout, worker: number) {
    this.#words = layout.ints(2);
    this.#mine = worker + 1;
  }

  /** Runs `body` while no other worker runs one. Not reentrant. */
  run<T>(body: () => T): T {
    this.take();
    try {
      return body();
    } finally {
      this.open();
    }
  }

  /**
   * The two halves of `run`, for what each request does several times: a closure costs more than the lock. What
   * stands between them is in a `try`, with `open` in its `finally`.
   */
  take(): void {
    if (!this.#tryTake()) this.#wait();
  }

  open(): void {
    this.#openOf(this.#mine);
  }

  /** Opens it where a worker that died has held it. */
  dropWorker(worker: number): void {
    this.#openOf(worker + 1);
  }

  #tryTake(): boolean {
    return Atomics.compareExchange(this.#words, HOLDER, 0, this.#mine) === 0;
  }

  #openOf(holder: number): void {
    if (Atomics.compareExchange(this.#words, HOLDER, holder, 0) !== holder) return;
    if (Atomics.load(this.#words, SLEEPERS) > 0) Atomics.notify(this.#words, HOLDER, 1);
  }

  #wait(): void {
    for (let spin = 0; spin < SPINS; spin++) if (this.#tryTake()) return;
    Atomics.add(this.#words, SLEEPERS, 1);
    for (let sleeps = 0; !this.#tryTake();) {
      const holder = Atomics.load(this.#words, HOLDER);
      if (holder === 0) continue;
      const woken = Atomics.wait(this.#words, HOLDER, holder, SLEEP_MS) !== "timed-out";
      sleeps = woken ? 0 : sleeps + 1;
      // Whoever would be told of the death may be the one that waits here.
      if (sleeps === SLEEPS_TO_LOST) this.#openOf(holder);
    }
    Atomics.sub(this.#words, SLEEPERS, 1);
  }
}

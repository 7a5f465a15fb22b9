// Keeps a guard that fails time and again from being asked, so that no request waits for it; after a while
// one request tries it.

import { GuardFault } from "./verdict.ts";

const MOST_FAULTS = 5;
const OUT_MS = 10_000;

export class Breaker {
  #faults = 0;
  #outUntil = -Infinity;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Does `work` unless the guard is out. Throws GuardFault. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const now = this.now();
    if (now < this.#outUntil) {
      throw new GuardFault("out", `out after ${MOST_FAULTS} faults in a row`);
    }
    // Others are not to try as well while one does.
    if (this.#faults >= MOST_FAULTS) this.#outUntil = now + OUT_MS;
    try {
      const done = await work();
      this.#faults = 0;
      this.#outUntil = -Infinity;
      return done;
    } catch (error) {
      if (++this.#faults >= MOST_FAULTS) this.#outUntil = this.now() + OUT_MS;
      throw error;
    }
  }
}

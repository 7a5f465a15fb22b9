// A clock that stands still until a test moves it.

import type { Clock } from "../../lib/alert/clock.ts";

export class FakeClock implements Clock {
  #ms = Date.UTC(2026, 4, 4, 9, 20, 30);
  #waits: { until: number; end: () => void }[] = [];

  #setBackMs = 0;

  now(): Date {
    return new Date(this.#ms - this.#setBackMs);
  }

  passedMs(): number {
    return this.#ms;
  }

  /** Somebody sets the time of day. */
  setBack(ms: number): void {
    this.#setBackMs += ms;
  }

  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || ms <= 0) return resolve();
      const wait = { until: this.#ms + ms, end: resolve };
      this.#waits.push(wait);
      signal.addEventListener("abort", () => {
        this.#waits = this.#waits.filter((one) => one !== wait);
        resolve();
      });
    });
  }

  /** Lets time pass, one wait after the other, each with what follows from it. */
  async advance(ms: number): Promise<void> {
    const end = this.#ms + ms;
    await settle();
    for (;;) {
      const next = this.#waits.filter(({ until }) => until <= end)
        .sort((a, b) => a.until - b.until)[0];
      if (next === undefined) break;
      this.#waits = this.#waits.filter((one) => one !== next);
      this.#ms = next.until;
      next.end();
      await settle();
    }
    this.#ms = end;
  }

  /** Milliseconds until the next that waits goes on; null when nobody waits. */
  nextIn(): number | null {
    if (this.#waits.length === 0) return null;
    return Math.min(...this.#waits.map(({ until }) => until)) - this.#ms;
  }
}

/** Everything that follows at once has happened. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

// Time for those who wait, so that a test can hold it still.

export interface Clock {
  /** The time of day, which somebody may set. */
  now(): Date;
  /** Milliseconds since some moment, by a clock that nobody sets. */
  passedMs(): number;
  /** Resolves after so long, or at once when `signal` says so; never rejects. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** The machine's time. */
export const systemClock: Clock = {
  now: () => new Date(),
  passedMs: () => performance.now(),
  wait: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener("abort", end);
    }),
};

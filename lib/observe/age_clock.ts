// The time by which things on disk are taken to be old. A wall clock that is set far ahead, by mistake or by
// a battery that ran out, makes everything a year old at once: what it says is believed only when it has
// said so for a day: this one that runs, or as the files of hours tell that lie on the disk when it starts.

/** A clock that is set by less is followed at once. */
const JUMP_MS = 3_600_000;
const BELIEVED_AFTER_MS = 86_400_000;

export class AgeClock {
  #wallMs: number;
  #steadyMs: number;
  /** Steady clock since which the wall clock is ahead. */
  #aheadSince: number | null = null;

  /** `wall` may be set, `steady` (milliseconds, such as performance.now()) never is. */
  constructor(
    private readonly wall: () => Date = () => new Date(),
    private readonly steady: () => number = () => performance.now(),
  ) {
    this.#wallMs = wall().getTime();
    this.#steadyMs = steady();
  }

  /**
   * Tells at a start, by the hours that have a file (milliseconds since 1970), whether the wall clock is ahead of
   * what was there before: where nothing lies between them and less than a day.
   */
  restore(hours: readonly number[]): void {
    const nowMs = this.wall().getTime();
    let since = nowMs;
    for (const hour of hours.filter((one) => one <= nowMs).toSorted((a, b) => b - a)) {
      if (since - hour > BELIEVED_AFTER_MS) {
        const aheadMs = nowMs - since;
        if (aheadMs >= BELIEVED_AFTER_MS) return;
        this.#steadyMs = this.steady();
        this.#aheadSince = this.#steadyMs - aheadMs;
        this.#wallMs = hour + aheadMs;
        return;
      }
      since = hour;
    }
  }

  /** The wall clock's time; while that is ahead of what has passed, the time that has passed. */
  now(): Date {
    const wall = this.wall();
    const steadyMs = this.steady();
    const passed = this.#wallMs + steadyMs - this.#steadyMs;
    if (wall.getTime() - passed > JUMP_MS) {
      this.#aheadSince ??= steadyMs;
      if (steadyMs - this.#aheadSince < BELIEVED_AFTER_MS) return new Date(passed);
    }
    this.#aheadSince = null;
    this.#wallMs = wall.getTime();
    this.#steadyMs = steadyMs;
    return wall;
  }
}

// The time by which things on disk are taken to be old. A wall clock that is set far ahead, by mistake or by
// a battery that ran out, makes everything a year old at once: what it says is believed only when it has
// said so for a day: this one that runs, or as the files of hours tell that lie on the disk when it starts. What
// lies a week or less behind at a start is a stop, as of a weekend, far more often than a wrong clock, which costs
// no more than that week then: an hour is enough, in which a network has set the clock right.

/** A clock that is set by less is followed at once. */
const JUMP_MS = 3_600_000;
const BELIEVED_AFTER_MS = 86_400_000;
/** A gap of more than a day, and of no more than this, is taken for a stop. */
const LONGEST_STOP_MS = 7 * 86_400_000;
const STOP_BELIEVED_AFTER_MS = 3_600_000;

export class AgeClock {
  #wallMs: number;
  #steadyMs: number;
  /** Steady clock since which the wall clock is ahead. */
  #aheadSince: number | null = null;
  /** By how much it was ahead then. */
  #aheadMs = 0;
  /** Whether it is ahead since the start. */
  #isStop = false;

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
        this.#isStop = true;
        const saidSoMs = nowMs - since;
        this.#steadyMs = this.steady();
        this.#wallMs = hour + saidSoMs;
        this.#aheadMs = since - hour;
        this.#aheadSince = this.#steadyMs - saidSoMs;
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
    const aheadMs = wall.getTime() - passed;
    if (aheadMs > JUMP_MS) {
      // One that goes years ahead while it is ahead by hours, or back, has said that since now.
      const isOther = Math.abs(aheadMs - this.#aheadMs) > LONGEST_STOP_MS;
      if (this.#aheadSince === null || isOther) {
        this.#aheadSince = steadyMs;
        this.#aheadMs = aheadMs;
      }
      if (steadyMs - this.#aheadSince < this.#believedAfterMs(aheadMs)) return new Date(passed);
    }
    this.#isStop = false;
    this.#aheadSince = null;
    this.#wallMs = wall.getTime();
    this.#steadyMs = steadyMs;
    return wall;
  }

  #believedAfterMs(aheadMs: number): number {
    const isShort = this.#isStop && aheadMs <= LONGEST_STOP_MS;
    return isShort ? STOP_BELIEVED_AFTER_MS : BELIEVED_AFTER_MS;
  }
}

// Time limits for many requests at once: one coarse tick instead of a timer for each phase of each
// request, so that moving a deadline with every chunk costs one assignment.

import { type Enrolled, Roll } from "../http/roll.ts";

const TICK_MS = 50;
/** A tick that comes later than this tells of a loop that was held up, not of the other side. */
const LATE_MS = 200;

/** A limit that can be moved freely; owned by one attempt. */
export class Deadline implements Enrolled {
  /** Milliseconds of the clock's `now`; Infinity when there is no limit. */
  at = Infinity;
  place = -1;
  constructor(readonly onExpire: () => void) {}
}

/** The clock of one isolate. */
export class DeadlineClock {
  #now: number;
  /** In which the loop was held up. */
  #lostMs = 0;
  readonly #open = new Roll<Deadline>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(private readonly read: () => number = () => performance.now()) {
    this.#now = read();
  }

  /**
   * Milliseconds in which the loop ran, as of the last tick: cheap to read while deadlines are open, and at
   * most a tick old. Only to be compared with itself.
   */
  get now(): number {
    if (this.#timer === null) this.#now = this.read() - this.#lostMs;
    return this.#now;
  }

  /** Watches a deadline until `remove`. It expires at most once. */
  add(deadline: Deadline): void {
    this.#open.add(deadline);
    if (this.#timer !== null) return;
    this.#now = this.read() - this.#lostMs;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  remove(deadline: Deadline): void {
    this.#open.remove(deadline);
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /**
   * What came while the loop was held up has not been looked at yet: such a time counts against nobody, so
   * that the clock stands still for it, and with it all that is reckoned from the clock.
   */
  #tick(): void {
    const before = this.#now;
    this.#now = this.read() - this.#lostMs;
    if (this.#open.size === 0) return this.close();
    const lateMs = this.#now - before - TICK_MS;
    if (lateMs > LATE_MS) {
      this.#lostMs += lateMs;
      this.#now -= lateMs;
      return;
    }
    const due = this.#open.all.filter((deadline) => this.#now >= deadline.at);
    for (const deadline of due) {
      // Another one's end may have removed or moved it.
      if (deadline.place < 0 || this.#now < deadline.at) continue;
      this.remove(deadline);
      deadline.onExpire();
    }
  }
}

// Time limits for many requests at once: one coarse tick instead of a timer for each phase of each
// request, so that moving a deadline with every chunk costs one assignment.

const TICK_MS = 50;
/** A tick that comes later than this tells of a loop that was held up, not of the other side. */
const LATE_MS = 200;

/** A limit that can be moved freely; owned by one attempt. */
export class Deadline {
  /** Milliseconds of performance.now(); Infinity when there is no limit. */
  at = Infinity;
  /** Its place in the clock's list; -1 outside. */
  index = -1;
  constructor(readonly onExpire: () => void) {}
}

/** The clock of one isolate. */
export class DeadlineClock {
  /** performance.now() of the last tick: cheap to read, at most a tick old while deadlines are open. */
  now = performance.now();
  /**
   * A list and not a Set: the tables that a Set leaves behind as it changes size keep what stood in them
   * alive until the next full collection, and with each deadline its whole request.
   */
  readonly #open: Deadline[] = [];
  #timer: ReturnType<typeof setInterval> | null = null;

  /** Watches a deadline until `remove`. It expires at most once. */
  add(deadline: Deadline): void {
    if (deadline.index >= 0) return;
    deadline.index = this.#open.length;
    this.#open.push(deadline);
    if (this.#timer !== null) return;
    this.now = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  remove(deadline: Deadline): void {
    const { index } = deadline;
    if (index < 0) return;
    deadline.index = -1;
    const last = this.#open.pop()!;
    if (last === deadline) return;
    this.#open[index] = last;
    last.index = index;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /**
   * What came while the loop was held up has not been looked at yet: such a time counts against nobody, so
   * that all limits move by it.
   */
  #tick(): void {
    const before = this.now;
    this.now = performance.now();
    if (this.#open.length === 0) return this.close();
    const lateMs = this.now - before - TICK_MS;
    if (lateMs > LATE_MS) {
      for (const deadline of this.#open) deadline.at += lateMs;
      return;
    }
    const due = this.#open.filter((deadline) => this.now >= deadline.at);
    for (const deadline of due) {
      // Another one's end may have removed or moved it.
      if (deadline.index < 0 || this.now < deadline.at) continue;
      this.remove(deadline);
      deadline.onExpire();
    }
  }
}

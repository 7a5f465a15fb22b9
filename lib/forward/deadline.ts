// Time limits for many requests at once: one coarse tick instead of a timer for each phase of each
// request, so that moving a deadline with every chunk costs one assignment.

const TICK_MS = 50;

/** A limit that can be moved freely; owned by one attempt. */
export class Deadline {
  /** Milliseconds of performance.now(); Infinity when there is no limit. */
  at = Infinity;
  constructor(readonly onExpire: () => void) {}
}

/** The clock of one isolate. */
export class DeadlineClock {
  /** performance.now() of the last tick: cheap to read, at most a tick old while deadlines are open. */
  now = performance.now();
  readonly #open = new Set<Deadline>();
  #timer: ReturnType<typeof setInterval> | null = null;

  /** Watches a deadline until `remove`. It expires at most once. */
  add(deadline: Deadline): void {
    this.#open.add(deadline);
    if (this.#timer !== null) return;
    this.now = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  remove(deadline: Deadline): void {
    this.#open.delete(deadline);
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    this.now = performance.now();
    if (this.#open.size === 0) return this.close();
    for (const deadline of this.#open) {
      if (this.now < deadline.at) continue;
      this.#open.delete(deadline);
      deadline.onExpire();
    }
  }
}

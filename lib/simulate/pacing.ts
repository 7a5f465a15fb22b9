// The clock of all answers: one timer moves every stream of a process on, because a timer for each
// token of a thousand streams would cost more than the tokens.

const TICK_MS = 4;
/** Turns at most that an unpaced stream takes before others have their go. */
const TURNS = 32;

/** Something that goes on step by step. */
export interface Paced {
  /** One step; true when there is no further one. */
  step(): boolean;
  /** True while no step may be taken because the reader is slow. */
  blocked(): boolean;
  /** Called after the steps of one turn, to hand over what they made. */
  flush(): void;
}

interface Job {
  paced: Paced;
  dueMs: number;
  intervalMs: number;
  cancelled: boolean;
}

/** Runs paced things. `close` drops them all. */
export class Pacer {
  #buckets = new Map<number, Job[]>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** The first step comes after `delayMs`, the others `intervalMs` apart (0: as fast as read). */
  start(paced: Paced, delayMs: number, intervalMs: number): { cancel(): void } {
    const job: Job = { paced, dueMs: performance.now() + delayMs, intervalMs, cancelled: false };
    if (delayMs <= 0) this.#run(job, performance.now());
    else this.#put(job);
    return {
      cancel: () => {
        job.cancelled = true;
      },
    };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#buckets.clear();
  }

  #put(job: Job): void {
    if (this.#closed) return;
    const tick = Math.ceil(job.dueMs / TICK_MS);
    const bucket = this.#buckets.get(tick);
    if (bucket) bucket.push(job);
    else this.#buckets.set(tick, [job]);
    this.#arm();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#buckets.size === 0) return;
    let next = Infinity;
    for (const tick of this.#buckets.keys()) next = Math.min(next, tick);
    this.#timer = setTimeout(
      () => this.#turn(),
      Math.min(1000, Math.max(0, next * TICK_MS - performance.now())),
    );
  }

  #turn(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const tick of [...this.#buckets.keys()].sort((a, b) => a - b)) {
      if (tick * TICK_MS > now) break;
      const jobs = this.#buckets.get(tick)!;
      this.#buckets.delete(tick);
      for (const job of jobs) this.#run(job, now);
    }
    this.#arm();
  }

  #run(job: Job, now: number): void {
    if (job.cancelled) return;
    for (let turn = 0; turn < TURNS && job.dueMs <= now; turn++) {
      if (job.paced.blocked()) {
        // What a slow reader misses is not made up for: the engine goes on at its own speed.
        job.dueMs = now + 20;
        break;
      }
      const ended = job.paced.step();
      if (ended) {
        job.cancelled = true;
        job.paced.flush();
        return;
      }
      // Due times follow each other exactly, so that a late turn does not slow the stream down.
      job.dueMs += job.intervalMs;
    }
    job.paced.flush();
    this.#put(job);
  }
}

// How much of its time an isolate is at work: by the processor time of its thread, or, where others have
// the cores and it waits for one, by how late its timers are.

import process from "node:process";

/** A timer of this length is looked at: one that is 2.3 times as late says 0.7. */
const PROBE_MS = 50;

/** Processor time that the calling thread has used, in milliseconds; null where it is not told. */
export function threadCpuMs(): number | null {
  try {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  } catch {
    // This system does not tell it.
    return null;
  }
}

export interface MeterParts {
  /** Processor time so far, and the time, in milliseconds. The first takes 0.1 ms, in steps of 10 ms. */
  cpuMs(): number;
  now(): number;
  /** Calls `body` every so often, `ms` after it was done; returns what ends that. */
  every(body: () => void, ms: number): () => void;
}

const PARTS: MeterParts = {
  cpuMs: () => threadCpuMs() ?? 0,
  now: () => performance.now(),
  every(body, ms) {
    let timer: ReturnType<typeof setTimeout>;
    const next = () => {
      timer = setTimeout(() => {
        body();
        next();
      }, ms);
    };
    next();
    return () => clearTimeout(timer);
  },
};

export class BusyMeter {
  #cpuMs: number;
  /** Of the last look. */
  #at: number;
  /** When the timer is due, and for how long timers were overdue since the last look. */
  #due: number;
  #lateMs = 0;
  readonly #end: () => void;

  /** To be closed: it wakes the isolate up now and then. */
  constructor(private readonly parts: MeterParts = PARTS) {
    this.#cpuMs = parts.cpuMs();
    this.#at = parts.now();
    this.#due = this.#at + PROBE_MS;
    this.#end = parts.every(() => this.#probe(), PROBE_MS);
  }

  /** The share of its time, 0 to 1, that it was at work, or late for it, since the last call. */
  share(): number {
    const [cpuMs, at] = [this.parts.cpuMs(), this.parts.now()];
    const passed = at - this.#at;
    const worked = cpuMs - this.#cpuMs;
    const late = this.#lateMs + this.#overdue(at);
    [this.#cpuMs, this.#at, this.#lateMs] = [cpuMs, at, 0];
    return passed <= 0 ? 0 : Math.min(1, Math.max(0, worked, late) / passed);
  }

  close(): void {
    this.#end();
  }

  #probe(): void {
    const now = this.parts.now();
    this.#lateMs += this.#overdue(now);
    this.#due = now + PROBE_MS;
  }

  /** For how long it has been due, as far as that was not counted. */
  #overdue(now: number): number {
    return Math.max(0, now - Math.max(this.#due, this.#at));
  }
}

// Those who wait for their own limits (`over: "queue"`): a line for each key, first come, first served, so
// that a key that waits holds up no other. How many may wait is counted over all workers.

import type { Counters, Reserved, Shortage, Work } from "./counters.ts";

/** What was short. */
export type Short = Extract<Reserved, { kind: "short" }>;

export type Waited =
  | Reserved
  /** The wait was too long; what was short at the end. */
  | { readonly kind: "late"; readonly short: Short | null }
  | { readonly kind: "gone" };

interface Waiter {
  /** What it needs, by the limits in force. */
  work(): Work;
  resolve(waited: Waited): void;
  short: Short | null;
  timer: ReturnType<typeof setTimeout>;
}

/** What is given back in another worker, or gateway, is not told here: it is looked for. Places come often. */
const LOOK_MS = 25;
const LOOK_FOR_TOKENS_MS = 250;

export interface KeyLinesParts {
  counters(): Counters;
  /** One more waits in this isolate, or one fewer. */
  stands(change: 1 | -1): void;
  /** Whether somebody may wait in other isolates, or at other gateways. */
  othersWait(): boolean;
}

export class KeyLines {
  readonly #lines = new Map<string, Line>();

  constructor(private readonly parts: KeyLinesParts) {}

  /** Whether somebody of this key waits already: whoever comes now stands behind. */
  isOccupied(key: string): boolean {
    return this.#lines.has(key);
  }

  /**
   * Waits until what `work` says can be reserved: one object as long as it stays the same, since a call that is
   * repeated is known by it. `leave` gets what takes the waiter out.
   */
  wait(
    key: string,
    work: () => Work,
    deadlineMs: number,
    leave: (out: () => void) => void,
  ): Promise<Waited> {
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = new Line(this.parts, () => this.#lines.delete(key));
      this.#lines.set(key, line);
    }
    return line.join(work, deadlineMs, leave);
  }

  /** Something was given back, or limits have changed. */
  freed(): void {
    if (this.#lines.size === 0) return;
    // Nobody elsewhere hears of it: who looked at once would be the first each time.
    if (this.parts.othersWait()) return;
    // Keys of a group come in turn.
    const [[key, line]] = this.#lines;
    this.#lines.delete(key);
    this.#lines.set(key, line);
    for (const line of [...this.#lines.values()]) line.look();
  }
}

class Line {
  readonly #waiters: Waiter[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #looking = false;

  constructor(
    private readonly parts: KeyLinesParts,
    private readonly onEmpty: () => void,
  ) {}

  join(work: () => Work, deadlineMs: number, leave: (out: () => void) => void): Promise<Waited> {
    return new Promise((resolve) => {
      const waiter: Waiter = {
        work,
        resolve,
        short: null,
        timer: setTimeout(
          () => this.#end(waiter, { kind: "late", short: waiter.short }),
          deadlineMs,
        ),
      };
      this.#waiters.push(waiter);
      this.parts.stands(1);
      leave(() => this.#end(waiter, { kind: "gone" }));
      this.look();
    });
  }

  /** Serves from the front as long as there is enough. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.#waiters.length > 0) {
      const [first] = this.#waiters;
      const answer = this.parts.counters().reserve(first.work());
      const reserved = answer instanceof Promise ? await answer : answer;
      if (this.#waiters[0] !== first) {
        // It left while the counters were asked.
        if (reserved.kind === "reserved") {
          reserved.reservation.maker.settle(reserved.reservation, 0);
        }
        continue;
      }
      if (reserved.kind === "short" && reserved.shortages[0].waitMs !== null) {
        first.short = reserved;
        this.#timer = setTimeout(() => this.look(), pauseMs(reserved.shortages));
        break;
      }
      this.#end(first, reserved);
    }
    this.#looking = false;
  }

  #end(waiter: Waiter, waited: Waited): void {
    const at = this.#waiters.indexOf(waiter);
    if (at < 0) return;
    this.#waiters.splice(at, 1);
    this.parts.stands(-1);
    clearTimeout(waiter.timer);
    if (this.#waiters.length === 0) {
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.onEmpty();
    } else if (at === 0) queueMicrotask(() => this.look());
    waiter.resolve(waited);
  }
}

function pauseMs(shortages: readonly Shortage[]): number {
  const known = shortages.filter(({ limit }) => limit !== "concurrency");
  // Who looks in step with others would always come behind them.
  if (known.length < shortages.length) return LOOK_MS * (0.5 + Math.random());
  return Math.min(LOOK_FOR_TOKENS_MS, Math.max(1, Math.ceil(shortages[0].waitMs!)));
}

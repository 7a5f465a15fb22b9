// Those who wait for their own limits (`over: "queue"`): a line for each key, first come, first served, so
// that a key that waits holds up no other. How many may wait is counted over all workers.

import { logger } from "../observe/log.ts";
import type { CountedLimit, Counters, Reserved, Shortage, Work } from "./counters.ts";
import type { Scope } from "./scope.ts";

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
  readonly #lacking = new Lacking();

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
      line = new Line(this.parts, this.#lacking, () => this.#lines.delete(key));
      this.#lines.set(key, line);
    }
    return line.join(work, deadlineMs, leave);
  }

  /** Something of these was given back: those look who lack it, in turn, as long as it may be enough for them. */
  freed(scopes: readonly Scope[]): void {
    if (this.#lines.size === 0 || this.#hasOthers) return;
    for (const { id } of scopes) {
      const left: Left = new Map();
      for (const line of this.#lacking.linesOf(id)) {
        if (line.needsMore(id, left)) continue;
        line.look();
        line.tellLeft(id, left);
      }
    }
  }

  /** Limits have changed. */
  changed(): void {
    if (this.#lines.size === 0 || this.#hasOthers) return;
    for (const line of [...this.#lines.values()]) line.look();
  }

  /** Nobody elsewhere hears of it: who looked at once would be the first each time. */
  get #hasOthers(): boolean {
    return this.parts.othersWait();
  }
}

/** What a scope has left, as far as that was seen. */
type Left = Map<CountedLimit, number>;

/** Lines by the scopes of which their first waiter lacks something, in the order in which they came to lack it. */
class Lacking {
  readonly #lines = new Map<string, Set<Line>>();

  linesOf(scope: string): Iterable<Line> {
    return this.#lines.get(scope) ?? [];
  }

  add(scope: string, line: Line): void {
    const lines = this.#lines.get(scope);
    if (lines === undefined) this.#lines.set(scope, new Set([line]));
    else lines.add(line);
  }

  delete(scope: string, line: Line): void {
    const lines = this.#lines.get(scope);
    lines?.delete(line);
    if (lines?.size === 0) this.#lines.delete(scope);
  }
}

class Line {
  readonly #waiters: Waiter[] = [];
  /** What the first of them was short of. */
  #shortages: readonly Shortage[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #looking = false;

  constructor(
    private readonly parts: KeyLinesParts,
    private readonly lacking: Lacking,
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
    try {
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
          this.#lack(reserved.shortages);
          this.#timer = setTimeout(() => this.look(), pauseMs(reserved.shortages));
          break;
        }
        this.#end(first, reserved);
      }
    } catch (error) {
      logger.error("internal error in the line of a key: {error}", { error });
      // Those who stand here are not forgotten.
      if (this.#waiters.length > 0) {
        this.#timer = setTimeout(() => this.look(), LOOK_FOR_TOKENS_MS);
      }
    } finally {
      this.#looking = false;
    }
  }

  /** Whether it needs more of this scope than there is. */
  needsMore(scope: string, left: Left): boolean {
    return this.#shortages.some((one) =>
      one.scope.id === scope && one.needed > (left.get(one.limit) ?? Infinity)
    );
  }

  /** Notes what there is of the scope, as far as this line has just lacked it. */
  tellLeft(scope: string, left: Left): void {
    for (const one of this.#shortages) {
      if (one.scope.id === scope) left.set(one.limit, one.left);
    }
  }

  /** It keeps its turn where it lacked the same before. */
  #lack(shortages: readonly Shortage[]): void {
    const lacks = new Set(shortages.map(({ scope }) => scope.id));
    for (const { scope: { id } } of this.#shortages) {
      if (!lacks.has(id)) this.lacking.delete(id, this);
    }
    for (const id of lacks) this.lacking.add(id, this);
    this.#shortages = shortages;
  }

  #end(waiter: Waiter, waited: Waited): void {
    const at = this.#waiters.indexOf(waiter);
    if (at < 0) return;
    this.#waiters.splice(at, 1);
    this.parts.stands(-1);
    clearTimeout(waiter.timer);
    if (at === 0) this.#lack([]);
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

// One worker's requests that wait for room at an instance: first come, first served within a priority,
// bounded in number and time. Who gets which instance is left to the pool, who is first among all
// workers to the line. A waiter that has met some instances
// already wants one of the others only (`W` says which), and is passed by where none of them has room.

import type { Ask } from "./balancing/strategy.ts";
import type { Line } from "./line.ts";

export type Waited<T> = { kind: "served"; value: T } | {
  /** turned_away: there is nothing left to wait for. */
  kind: "full" | "deadline" | "gone" | "turned_away";
};

interface Waiter<T, W> {
  ask: Ask;
  /** In the line of all workers; the lower, the earlier. */
  place: number;
  /** What it insists on; null when anything will do. */
  wish: W | null;
  resolve(result: Waited<T>): void;
  timer: ReturnType<typeof setTimeout>;
}

export interface QueueOptions {
  max: number;
  deadlineS: number;
}

export class WaitQueue<T, W = never> {
  #waiters: Waiter<T, W>[] = [];
  /** Waiters with a wish. */
  #choosy = 0;
  #retired = false;

  constructor(
    private readonly line: Line,
    private readonly onLengthChange: (change: 1 | -1) => void,
  ) {}

  get length(): number {
    return this.#waiters.length;
  }

  /** Whether a request of this priority may pass by all that wait, here and in other workers. */
  isFreeFor(priority: number): boolean {
    const own = this.#waiters.length === 0 ? -Infinity : this.#waiters[0].ask.priority;
    return own < priority && this.line.isFreeFor(priority);
  }

  /** A newer queue takes its place in the line; who waits here still is served beside it. */
  retire(): void {
    this.#retired = true;
    this.line.setOwnFront(Infinity);
  }

  /**
   * Waits for `serve` to find something. `leave` receives a function that takes the waiter out at
   * once. Higher priorities come first.
   */
  wait(
    options: QueueOptions,
    ask: Ask,
    leave: (out: () => void) => void,
    wish: W | null = null,
  ): Promise<Waited<T>> {
    const place = this.line.join(ask.priority, options.max);
    if (place === null) return Promise.resolve({ kind: "full" });
    return new Promise((resolve) => {
      const out = (kind: "deadline" | "gone") => this.#end(waiter, { kind });
      const waiter: Waiter<T, W> = {
        ask,
        place,
        wish,
        resolve,
        timer: setTimeout(() => out("deadline"), options.deadlineS * 1000),
      };
      let at = this.#waiters.length;
      while (at > 0 && this.#waiters[at - 1].ask.priority < ask.priority) at--;
      this.#waiters.splice(at, 0, waiter);
      if (wish !== null) this.#choosy++;
      this.#showFront();
      this.onLengthChange(1);
      leave(() => out("gone"));
    });
  }

  /** Serves from the front whoever `find` finds something for. */
  serve(find: (wish: W | null, ask: Ask) => T | null): void {
    let nothingLeft = false;
    for (let at = 0; at < this.#waiters.length;) {
      const waiter = this.#waiters[at];
      if (waiter.wish === null && nothingLeft) {
        if (this.#choosy === 0) return;
        at++;
        continue;
      }
      if (waiter.wish === null && !this.#retired && this.line.front < waiter.place) {
        // Somebody in another worker comes first.
        nothingLeft = true;
        continue;
      }
      const value = find(waiter.wish, waiter.ask);
      if (value === null) {
        nothingLeft ||= waiter.wish === null;
        at++;
        continue;
      }
      this.#end(waiter, { kind: "served", value });
    }
  }

  /** Ends the waiting of those whose wish (or having none) `isOver` says so. */
  turnAway(isOver: (wish: W | null) => boolean): void {
    for (const waiter of [...this.#waiters]) {
      if (isOver(waiter.wish)) this.#end(waiter, { kind: "turned_away" });
    }
  }

  #end(waiter: Waiter<T, W>, result: Waited<T>): void {
    const at = this.#waiters.indexOf(waiter);
    if (at < 0) return;
    this.#waiters.splice(at, 1);
    if (waiter.wish !== null) this.#choosy--;
    clearTimeout(waiter.timer);
    this.line.leave();
    this.#showFront();
    this.onLengthChange(-1);
    waiter.resolve(result);
  }

  /** Those who wait for one of some instances do not hold up those who take any. */
  #showFront(): void {
    if (this.#retired) return;
    const first = this.#waiters.find((waiter) => waiter.wish === null);
    this.line.setOwnFront(first?.place ?? Infinity);
  }
}

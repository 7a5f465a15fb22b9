// Requests that wait for room at an instance: first come, first served within a priority, bounded in
// number and time. Who gets which instance is left to the pool.

export type Waited<T> = { kind: "served"; value: T } | { kind: "full" | "deadline" | "gone" };

interface Waiter<T> {
  priority: number;
  resolve(result: Waited<T>): void;
  timer: ReturnType<typeof setTimeout>;
}

export interface QueueOptions {
  max: number;
  deadlineS: number;
}

export class WaitQueue<T> {
  #waiters: Waiter<T>[] = [];

  constructor(private readonly onLengthChange: (change: 1 | -1) => void) {}

  get length(): number {
    return this.#waiters.length;
  }

  /** The priority of the one that is next; -Infinity when nobody waits. */
  get topPriority(): number {
    return this.#waiters.length === 0 ? -Infinity : this.#waiters[0].priority;
  }

  /**
   * Waits for `serve` to find something. `leave` receives a function that takes the waiter out at
   * once. Higher priorities come first.
   */
  wait(
    options: QueueOptions,
    priority: number,
    leave: (out: () => void) => void,
  ): Promise<Waited<T>> {
    if (this.#waiters.length >= options.max) return Promise.resolve({ kind: "full" });
    return new Promise((resolve) => {
      const out = (kind: "deadline" | "gone") => {
        if (this.#remove(waiter)) resolve({ kind });
      };
      const waiter: Waiter<T> = {
        priority,
        resolve,
        timer: setTimeout(() => out("deadline"), options.deadlineS * 1000),
      };
      let at = this.#waiters.length;
      while (at > 0 && this.#waiters[at - 1].priority < priority) at--;
      this.#waiters.splice(at, 0, waiter);
      this.onLengthChange(1);
      leave(() => out("gone"));
    });
  }

  /** Serves from the front for as long as `find` finds something. */
  serve(find: () => T | null): void {
    while (this.#waiters.length > 0) {
      const value = find();
      if (value === null) return;
      const waiter = this.#waiters[0];
      this.#remove(waiter);
      waiter.resolve({ kind: "served", value });
    }
  }

  #remove(waiter: Waiter<T>): boolean {
    const at = this.#waiters.indexOf(waiter);
    if (at < 0) return false;
    this.#waiters.splice(at, 1);
    clearTimeout(waiter.timer);
    this.onLengthChange(-1);
    return true;
  }
}

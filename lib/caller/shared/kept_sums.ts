// Sums by the names of counters, each for as long as the counter is kept: every key has another one each day.

import { Amount } from "../usage/amount.ts";
import type { CounterName } from "../usage/counter_name.ts";

export class KeptSums {
  readonly #sums = new Map<string, { counter: CounterName; amount: Amount }>();
  /** Up to where it was looked through. */
  #before = -Infinity;

  /** Nothing where none is kept. */
  of(name: string): Amount {
    return this.#sums.get(name)?.amount ?? new Amount();
  }

  set(counter: CounterName, amount: Amount): void {
    this.#sums.set(counter.name, { counter, amount });
  }

  /** All of them; none is kept from then on. */
  takeAll(): [CounterName, Amount][] {
    const all = [...this.#sums.values()];
    this.#sums.clear();
    return all.map(({ counter, amount }) => [counter, amount]);
  }

  /** Those that are kept no longer than until `ms` go. Costs nothing where it was looked through up to there. */
  forgetBefore(ms: number): void {
    if (ms === this.#before) return;
    this.#before = ms;
    for (const [name, { counter }] of this.#sums) {
      if (counter.keptUntil <= ms) this.#sums.delete(name);
    }
  }

  get size(): number {
    return this.#sums.size;
  }
}

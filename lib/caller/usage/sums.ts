// Sums of counters as the lines of files make them.

import { Amount } from "./amount.ts";
import {
  type Counter,
  counterOf,
  countersOf,
  counterText,
  kindOf,
  type Line,
  type Row,
} from "./row.ts";

/** The first day and the first month that have counters of their own. */
export interface Since {
  readonly day: string;
  readonly month: string;
}

/** By a counter's text. */
export class CounterSums {
  readonly #sums = new Map<string, Amount>();
  /** Rows of one day, key and group count for the same counters: they are summed up first. */
  readonly #open = new Map<string, { row: Row; amount: Amount }>();

  constructor(private since: Since) {}

  /** Since when it has counters of days and months. */
  get begin(): Since {
    return this.since;
  }

  get isEmpty(): boolean {
    return this.#sums.size === 0 && this.#open.size === 0;
  }

  add(line: Line): void {
    if (line.kind === "corrected") return this.#count(line.counter, line.amount);
    const { row, amount } = line;
    const name = `${row.day}\n${row.key}\n${row.group}`;
    const open = this.#open.get(name);
    if (open === undefined) this.#open.set(name, { row, amount: amount.copy() });
    else open.amount.add(amount);
  }

  /** Counters of what was before are not needed any more; returns them. */
  forgetBefore(since: Since): [string, Amount][] {
    this.since = since;
    const forgotten = [...this].filter(([name]) => isBefore(counterOf(name), since));
    for (const [name] of forgotten) this.#sums.delete(name);
    return forgotten;
  }

  addAll(others: CounterSums): void {
    for (const [name, amount] of others) this.#sumOf(name).add(amount);
  }

  /** What is left when `before` is taken away. */
  without(before: CounterSums): CounterSums {
    const change = new CounterSums(this.since);
    change.addAll(this);
    for (const [name, amount] of before) change.#sumOf(name).subtract(amount);
    return change;
  }

  [Symbol.iterator](): IterableIterator<[string, Amount]> {
    for (const { row, amount } of this.#open.values()) {
      for (const counter of countersOf(row)) this.#count(counter, amount);
    }
    this.#open.clear();
    return this.#sums.entries();
  }

  #count(counter: Counter, amount: Amount): void {
    if (isBefore(counter, this.since)) return;
    this.#sumOf(counterText(counter)).add(amount);
  }

  #sumOf(name: string): Amount {
    let sum = this.#sums.get(name);
    if (sum === undefined) this.#sums.set(name, sum = new Amount());
    return sum;
  }
}

function isBefore({ period }: Counter, since: Since): boolean {
  const kind = kindOf(period);
  return kind !== "total" && period < since[kind];
}

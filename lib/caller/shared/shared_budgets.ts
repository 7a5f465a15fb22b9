// What all gateways have booked on the budgets of keys and groups, by a server that they share. Each says
// its own sums since the beginning of a period, again and again, and hears those of the others: nothing is
// ever added twice, a server that has lost everything is told anew, and what a lost host has booked stays.

import type { Budget, Period } from "../../config/access.ts";
import { Amount, NUMBERS } from "../usage/amount.ts";
import type { KeptSums } from "./kept_sums.ts";
import { type CounterName, counterName } from "../usage/counter_name.ts";
import type { BudgetScope } from "../usage/charge.ts";
import { Periods } from "../usage/period.ts";
import type { UsageMemory } from "../usage/usage_memory.ts";
import type { SharedStore } from "./store.ts";

const SYNC_MS = 1000;
/** A gateway that has not been heard of for so long is gone. */
const PRESENT_MS = 10_000;
/** Counters in one call. */
const AT_ONCE = 200;

/** What of the configuration matters here. */
export interface BudgetRules {
  readonly keys: readonly Budgeted[];
  readonly groups: Readonly<Record<string, Budgeted>>;
  readonly timeZone: string;
}

interface Budgeted {
  readonly name: string;
  readonly budgets: readonly Budget[];
}

export interface SharedBudgetsParts {
  readonly store: SharedStore;
  readonly memory: UsageMemory;
  /** What of the sums in memory others have booked: it outlives this object, as they do. */
  readonly others: KeptSums;
  /** Of the folder that the sums are kept in. */
  readonly host: string;
  /** Whether the sums in memory are those of that folder. */
  isOfHost(): boolean;
  /** Milliseconds since 1970. */
  now(): number;
}

export class SharedBudgets {
  #callers: BudgetRules | null = null;
  #periods = new Periods("UTC");
  #isClosed = false;
  #syncing: Promise<void> | null = null;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(private readonly parts: SharedBudgetsParts) {
    this.#timer = setInterval(() => this.sync(), SYNC_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  apply(callers: BudgetRules | null): void {
    this.#callers = callers;
    const timeZone = callers?.timeZone ?? "UTC";
    if (timeZone !== this.#periods.timeZone) this.#periods = new Periods(timeZone);
  }

  /** Says and hears once. Never rejects: what was not said now is said with the next. */
  sync(): Promise<void> {
    return this.#syncing ??= this.#sync().catch(() => {
      // The store has told it; the sums are said again in a second.
    }).finally(() => {
      this.#syncing = null;
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#isClosed = true;
    await this.sync();
  }

  async #sync(): Promise<void> {
    const { store, host } = this.parts;
    if (!store.isUp) return;
    await store.run("present", [store.name("hosts")], [host, PRESENT_MS]);
    const counters = this.#counters();
    for (let at = 0; at < counters.length; at += AT_ONCE) {
      await this.#syncSome(counters.slice(at, at + AT_ONCE));
    }
  }

  async #syncSome(counters: readonly CounterName[]): Promise<void> {
    const { store, memory, others, host, isOfHost, now } = this.parts;
    const isOwn = isOfHost();
    const keys = counters.map(({ name }) => store.name("used", name));
    const args = counters.flatMap(({ name, keptUntil }) => [
      isOwn ? written(memory.read(name).subtract(others.of(name))) : "",
      Number.isFinite(keptUntil) ? Math.ceil(keptUntil) : 0,
    ]);
    const told = await store.run("book", keys, [host, ...args]);
    // What another one hears by now, with other eyes, is not heard here any more.
    if (!Array.isArray(told) || this.#isClosed) return;
    const changes: [CounterName, Amount][] = [];
    for (const [index, counter] of counters.entries()) {
      const sums: unknown = told[index];
      if (!Array.isArray(sums)) continue;
      const all = sums.reduce<Amount>((sum, text) => sum.add(read(String(text))), new Amount());
      const before = others.of(counter.name);
      const more = all.copy().subtract(before);
      // A server that has forgotten does not make spent money come back.
      if (more.tokens <= 0 && more.cost <= 0) continue;
      others.set(counter, all);
      changes.push([counter, more]);
    }
    if (changes.length > 0) memory.count(changes, now());
  }

  /** Those of all budgets, as of now. */
  #counters(): CounterName[] {
    const callers = this.#callers;
    if (callers === null) return [];
    const now = this.parts.now();
    this.parts.others.forgetBefore(this.#periods.dayAt(now).start);
    const found = new Map<string, CounterName>();
    const take = (scope: BudgetScope, name: string, periods: readonly Period[]) => {
      for (const period of periods) {
        const counter = counterName(
          { scope, name, period: this.#periods.nameOf(period, now) },
          now,
        );
        found.set(counter.name, counter);
      }
    };
    const periodsOf = (budgets: readonly Budget[]) => budgets.map(({ period }) => period);
    for (const { name, budgets } of callers.keys) take("key", name, periodsOf(budgets));
    for (const { name, budgets } of Object.values(callers.groups)) {
      take("group", name, periodsOf(budgets));
    }
    return [...found.values()];
  }
}

/** Tokens first, by which the server compares; then all numbers of the amount. */
function written(amount: Amount): string {
  const numbers = new Float64Array(NUMBERS);
  amount.into(numbers, 0);
  return [amount.tokens, ...numbers].join(" ");
}

function read(text: string): Amount {
  const numbers = new Float64Array(NUMBERS);
  numbers.set(text.split(" ").slice(1, NUMBERS + 1).map(Number));
  return Amount.from(numbers, 0);
}

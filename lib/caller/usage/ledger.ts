// What callers have used, as one isolate sees it: books charges, and says what is left of budgets. All
// isolates of a process share the figures (usage_memory.ts); one of them keeps the book on disk (book.ts).

import type { Budget, Period } from "../../config/access.ts";
import { type BudgetLevels, levelOf, levelsOf } from "./budget.ts";
import { amountOf, type BudgetScope, type Charge, type Used, usedOf } from "./charge.ts";
import { Periods } from "./period.ts";
import { CounterHashes } from "./counter_hashes.ts";
import { Postings } from "./posting.ts";
import { counterText } from "./row.ts";
import type { UsageMemory } from "./usage_memory.ts";

/** What found no room in memory is booked again so much later: by then the rows were taken. */
const AGAIN_MS = 100;

export class Ledger {
  #periods: Periods;
  readonly #postings = new Postings();
  readonly #hashes = new CounterHashes();
  /** Found no room yet. */
  #late: Charge[] = [];
  #again: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly memory: UsageMemory,
    timeZone: string,
    /** The wall clock, in milliseconds. */
    private readonly now: () => number = Date.now,
  ) {
    this.#periods = new Periods(timeZone);
  }

  get periods(): Periods {
    return this.#periods;
  }

  /** Days and months end as this zone has them, from now on. */
  apply(timeZone: string): void {
    if (timeZone !== this.#periods.timeZone) this.#periods = new Periods(timeZone);
  }

  /** Books one request that ended; to be called once for each. Never throws, waits for nobody. */
  charge(charge: Charge): void {
    if (this.#book(charge)) return;
    this.#late.push(charge);
    this.#again ??= setTimeout(() => this.#bookLate(), AGAIN_MS);
  }

  /** What a key or group has used in the day or month that it is now, or since the beginning. */
  used(scope: BudgetScope, name: string, period: Period): Used {
    return usedOf(this.#read(scope, name, this.#periods.nameOf(period, this.now())));
  }

  /** How the budgets of a key or group stand. */
  budgetOf(budgets: readonly Budget[], scope: BudgetScope, name: string): BudgetLevels {
    if (budgets.length === 0) return { levels: [] };
    const now = this.now();
    return levelsOf(budgets.map((budget) => {
      const period = this.#periods.nameOf(budget.period, now);
      const end = this.#periods.endOf(budget.period, now);
      const used = this.#read(scope, name, period);
      return levelOf(budget, period, used, end === null ? null : new Date(end));
    }));
  }

  /** Whether any of a key's or group's budgets is used up. Each request asks: nothing is made to tell. */
  isUsedUp(budgets: readonly Budget[], scope: BudgetScope, name: string): boolean {
    if (budgets.length === 0) return false;
    const hashes = this.#hashes.of(scope, name, this.#periods.dayAt(this.now()));
    for (let at = 0; at < budgets.length; at++) {
      const { period, tokens, cost } = budgets[at];
      if (this.memory.hasReached(hashes[period], tokens, cost)) return true;
    }
    return false;
  }

  /** Books what found no room, once more. */
  close(): void {
    if (this.#again !== null) clearTimeout(this.#again);
    this.#bookLate();
    if (this.#again !== null) clearTimeout(this.#again);
  }

  #book(charge: Charge): boolean {
    const { atMs } = charge;
    const posting = this.#postings.of(charge, this.#periods.dayAt(atMs));
    return this.memory.charge(posting, amountOf(charge), atMs);
  }

  #bookLate(): void {
    this.#again = null;
    const late = this.#late;
    this.#late = [];
    for (const charge of late) this.charge(charge);
  }

  #read(scope: BudgetScope, name: string, period: string) {
    return this.memory.read(counterText({ scope, name, period }));
  }
}

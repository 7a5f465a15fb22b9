// What the counters of keys and groups are found by in memory, of the periods that a day is in: the same for
// each request of a day, and made for the first.

import type { Period } from "../../config/access.ts";
import { hashOf } from "../../pool/memory/hash_table.ts";
import type { BudgetScope } from "./charge.ts";
import { type Day, monthOf, TOTAL } from "./period.ts";
import { counterText } from "./row.ts";

type Hashes = Readonly<Record<Period, number>>;

/** What is remembered at once; beyond, all are made anew. */
const MAX_NAMES = 10_000;

export class CounterHashes {
  readonly #of: Readonly<Record<BudgetScope, Map<string, Hashes>>> = {
    key: new Map(),
    group: new Map(),
  };
  #day: Day | null = null;

  of(scope: BudgetScope, name: string, day: Day): Hashes {
    if (day !== this.#day) {
      this.#of.key.clear();
      this.#of.group.clear();
      this.#day = day;
    }
    const known = this.#of[scope];
    let hashes = known.get(name);
    if (hashes === undefined) {
      const hash = (period: string) => hashOf(counterText({ scope, name, period }));
      hashes = { day: hash(day.name), month: hash(monthOf(day.name)), total: hash(TOTAL) };
      if (known.size >= MAX_NAMES) known.clear();
      known.set(name, hashes);
    }
    return hashes;
  }
}

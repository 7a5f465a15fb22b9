// Where charges of one key, model and outcome are booked within a day: the row's name, its counters and what all of
// them hash to are the same for each, and made for the first.

import { hashOf } from "../../pool/memory/hash_table.ts";
import type { Charge } from "./charge.ts";
import { counterName } from "./counter_name.ts";
import type { Day } from "./period.ts";
import { countersOf, type Row, textOf } from "./row.ts";
import type { Posting } from "./usage_memory.ts";

/** What is remembered at once; beyond, all are made anew. */
const MAX_POSTINGS = 10_000;
/** Of one key. */
const MAX_OF_KEY = 32;

interface Known {
  readonly row: Row;
  readonly posting: Posting;
}

export class Postings {
  /** Of `#day`, by key: few for each, since a key uses few models. */
  readonly #byKey = new Map<string, Known[]>();
  #day: Day | null = null;
  #count = 0;

  /** `day` is that of the charge. */
  of(charge: Charge, day: Day): Posting {
    if (day !== this.#day || this.#count >= MAX_POSTINGS) {
      this.#byKey.clear();
      this.#count = 0;
      this.#day = day;
    }
    const { key, outcome } = charge;
    const group = charge.group ?? "";
    // What was refused was asked of nobody: its name may be anything.
    const model = outcome === "rejected" ? "" : charge.model;
    let known = this.#byKey.get(key);
    if (known === undefined) this.#byKey.set(key, known = []);
    for (const { row, posting } of known) {
      if (row.model === model && row.outcome === outcome && row.group === group) return posting;
    }
    const row: Row = { day: day.name, key, group, client: "", model, outcome };
    const posting = postingOf(row, day.end);
    if (known.length === MAX_OF_KEY) known.shift();
    else this.#count++;
    known.push({ row, posting });
    return posting;
  }
}

function postingOf(row: Row, end: number): Posting {
  const text = textOf(row);
  const counters = countersOf(row).map((counter) => counterName(counter, end));
  return { row: text, hash: hashOf(text), counters };
}

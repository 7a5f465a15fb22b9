// What was booked since the start, by key, as metrics show it.

import { Amount } from "./amount.ts";
import type { Row } from "./row.ts";

/** Keys that have figures of their own; the others are one. */
const MAX_KEYS = 1000;
const OTHER = "other";

/** Of one key. */
class KeySeen {
  /** Requests by outcome. */
  readonly outcomes = new Map<string, number>();
  /** Tokens by model. */
  readonly models = new Map<string, Amount>();
  readonly sum = new Amount();
}

export class Seen {
  readonly keys = new Map<string, KeySeen>();
  /** Requests whose usage nobody told, by how they ended. */
  readonly estimated = new Map<string, number>();

  add({ key, model, outcome }: Row, amount: Amount): void {
    const seen = this.#key(key);
    seen.sum.add(amount);
    seen.outcomes.set(outcome, (seen.outcomes.get(outcome) ?? 0) + amount.requests);
    if (model !== "") {
      let sum = seen.models.get(model);
      if (sum === undefined) seen.models.set(model, sum = new Amount());
      sum.add(amount);
    }
    if (amount.estimated > 0) {
      this.estimated.set(outcome, (this.estimated.get(outcome) ?? 0) + amount.estimated);
    }
  }

  /** Of those that have figures of their own. */
  *names(): Iterable<string> {
    for (const name of this.keys.keys()) if (name !== OTHER) yield name;
  }

  #key(name: string): KeySeen {
    const shown = this.keys.has(name) || this.keys.size < MAX_KEYS ? name : OTHER;
    let seen = this.keys.get(shown);
    if (seen === undefined) this.keys.set(shown, seen = new KeySeen());
    return seen;
  }
}

// Which clients have usage of their own where there are no keys: so many a day, so that neither memory nor
// disk grows with the addresses that ask. The first of a day are named, and later ones once they have used
// a good share of it; what the others use is one sum.

import type { Amount } from "./amount.ts";

/** Name of what clients without one have used. No address is written so. */
export const OTHER_CLIENTS = "others";

/** The first of a day. */
const FIRST = 500;
/** With those that came later and used much. */
const MOST = 1000;
/** Share of what all have used on a day that is much. */
const MUCH = 0.01;
/** Later ones that are watched; the lesser half is forgotten when there are more. */
const WATCHED = 1000;
/** Requests that end around midnight belong to two days. */
const DAYS = 2;

interface Day {
  readonly named: Set<string>;
  readonly watched: Map<string, number>;
  used: number;
}

export class ClientNames {
  readonly #days = new Map<string, Day>();

  /** The name under which `client` is booked on `day`, with the `tokens` of one more request. */
  nameOf(day: string, client: string, tokens: number): string {
    if (client === "") return "";
    const on = this.#day(day);
    // A request that used no tokens is one all the same.
    const weight = tokens + 1;
    on.used += weight;
    if (on.named.has(client)) return client;
    if (on.named.size < FIRST || hasUsedMuch(on, client, weight)) {
      on.watched.delete(client);
      on.named.add(client);
      return client;
    }
    return OTHER_CLIENTS;
  }

  /** A file has so much usage of `client` on `day`: it has its name. */
  know(
    day: string,
    client: string,
    { tokens, requests }: Pick<Amount, "tokens" | "requests">,
  ): void {
    if (client === "") return;
    const on = this.#day(day);
    on.used += tokens + requests;
    if (client !== OTHER_CLIENTS && on.named.size < MOST) on.named.add(client);
  }

  #day(name: string): Day {
    let day = this.#days.get(name);
    if (day !== undefined) return day;
    this.#days.set(name, day = { named: new Set(), watched: new Map(), used: 0 });
    // The one that came first, not the earliest: a clock may be set back.
    const [first] = this.#days.keys();
    if (this.#days.size > DAYS) this.#days.delete(first);
    return day;
  }
}

function hasUsedMuch({ named, watched, used }: Day, client: string, weight: number): boolean {
  if (named.size >= MOST) return false;
  const sum = (watched.get(client) ?? 0) + weight;
  if (sum >= used * MUCH) return true;
  watched.set(client, sum);
  if (watched.size > WATCHED) {
    const lesser = [...watched].sort(([, one], [, other]) => one - other).slice(0, WATCHED / 2);
    for (const [name] of lesser) watched.delete(name);
  }
  return false;
}

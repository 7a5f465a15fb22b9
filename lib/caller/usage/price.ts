// What tokens cost, by model. Any currency: amounts are compared with budgets and nothing else.

import type { Price } from "../../config/access.ts";

export interface Tokens {
  /** Cached ones among them. */
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
}

const MILLION = 1_000_000;

export class Prices {
  readonly #exact = new Map<string, Price>();
  /** Longest first. */
  readonly #beginnings: readonly (readonly [beginning: string, price: Price])[];

  /** By a model's name, or by the beginning of several names: `qwen*`. */
  constructor(prices: Readonly<Record<string, Price>>) {
    const beginnings: [string, Price][] = [];
    for (const [name, price] of Object.entries(prices)) {
      if (name.endsWith("*")) beginnings.push([name.slice(0, -1), price]);
      else this.#exact.set(name, price);
    }
    this.#beginnings = beginnings.sort(([a], [b]) => b.length - a.length);
  }

  /** The model's own price, else that of the longest beginning; null where there is none. */
  of(model: string): Price | null {
    const exact = this.#exact.get(model);
    if (exact !== undefined) return exact;
    for (const [beginning, price] of this.#beginnings) {
      if (model.startsWith(beginning)) return price;
    }
    return null;
  }

  /** What tokens of `model` cost; 0 where it has no price. */
  costOf(model: string, { prompt, cached, completion }: Tokens): number {
    const price = this.of(model);
    if (price === null) return 0;
    // A server that tells more cached tokens than there are is not believed.
    const found = Math.min(cached, prompt);
    return ((prompt - found) * price.prompt + found * price.cached +
      completion * price.completion) /
      MILLION;
  }
}

// What has been decided since the start, counted for each instance: why it was chosen, how much of the prompts
// should be cached there, and how far a first token was from when it was foretold. For metrics; nothing is
// decided by it.

import type { Layout } from "../memory/layout.ts";
import { SlotRows } from "./slot_rows.ts";

/** As receipts have them. */
const WHYS = [
  "prefix",
  "home",
  "cost",
  "bound",
  "only",
  "stored",
  "fallback",
  "session",
] as const;

const SUMS = ["matched", "uncached", "cached", "errorS", "compared"] as const;

export interface Bookings {
  readonly decisions: Readonly<Record<typeof WHYS[number], number>>;
  /** Tokens of prompts that should be cached there, and of those that had to be computed. */
  readonly matched: number;
  readonly uncached: number;
  /** Tokens of prompts that its answers said to be cached. */
  readonly cached: number;
  /** Seconds between first tokens and when they were foretold, and how many these are. */
  readonly errorS: number;
  readonly compared: number;
}

export class Booked {
  readonly #decisions: SlotRows<typeof WHYS[number]>;
  readonly #sums: SlotRows<typeof SUMS[number]>;

  constructor(layout: Layout, slots: number) {
    this.#decisions = new SlotRows(layout, slots, WHYS);
    this.#sums = new SlotRows(layout, slots, SUMS);
  }

  clear(slot: number): void {
    this.#decisions.clear(slot);
    this.#sums.clear(slot);
  }

  /** A prompt goes there, of which so many tokens should be cached. Under the pool's lock. */
  decided(slot: number, why: typeof WHYS[number], matched: number, tokens: number): void {
    this.#decisions.add(why, slot, 1);
    this.#sums.row.matched[slot] += matched;
    this.#sums.row.uncached[slot] += Math.max(0, tokens - matched);
  }

  /** An answer says that so many tokens of its prompt were cached. */
  cached(slot: number, tokens: number): void {
    this.#sums.row.cached[slot] += tokens;
  }

  /** A first token came so many seconds before or after it was foretold. */
  compared(slot: number, errorS: number): void {
    this.#sums.row.errorS[slot] += Math.abs(errorS);
    this.#sums.row.compared[slot] += 1;
  }

  of(slot: number): Bookings {
    const decisions = WHYS.map((why) => [why, this.#decisions.get(why, slot)]);
    const sums = SUMS.map((name) => [name, this.#sums.get(name, slot)]);
    return { decisions: Object.fromEntries(decisions), ...Object.fromEntries(sums) };
  }
}

// Whether cache hits that were foretold for an instance come true. A switch and not a factor: where next to
// nothing comes true, prefix caching is off, and what the index says of the instance counts nothing.

import type { Layout } from "../memory/layout.ts";
import { SlotRows } from "./slot_rows.ts";

/** Tokens after which what was foretold is compared with what came true. */
const COMPARED_TOKENS = 20_000;
/** Share of the newest comparison in the mean. */
const NEWEST = 0.3;
/** Less comes true: matches count nothing … */
const LOST = 0.3;
/** … until more than this does. */
const REGAINED = 0.5;
/** Where a smaller share of the prompts is foretold, counters say nothing. */
const LEAST_FORETOLD = 0.1;

const NAMES = [
  // So that zero is the trust of the first hour.
  "mistrust",
  "isOff",
  // It said itself that it caches nothing.
  "saidOff",
  // From answers: tokens that were foretold, and how many of them were cached.
  "foretold",
  "cameTrue",
  // From counters: tokens of prompts sent, how many of them were foretold, the counters at that time.
  "sent",
  "sentForetold",
  "queries",
  "hits",
] as const;

export class Trust {
  readonly #rows: SlotRows<typeof NAMES[number]>;

  constructor(layout: Layout, slots: number) {
    this.#rows = new SlotRows(layout, slots, NAMES);
  }

  /** Of what is foretold to be cached, the share that is. */
  share(slot: number): number {
    return 1 - this.#rows.row.mistrust[slot];
  }

  /** Whether what the index says of the instance counts. */
  isOn(slot: number): boolean {
    return this.#rows.row.isOff[slot] === 0;
  }

  /** The instance is another one now, or was started anew. */
  reset(slot: number): void {
    this.#rows.clear(slot);
  }

  /** A prompt of `tokens` was sent, of which `foretold` should be cached there. */
  sent(slot: number, foretold: number, tokens: number): void {
    this.#rows.row.sent[slot] += tokens;
    this.#rows.row.sentForetold[slot] += Math.min(foretold, tokens);
  }

  /** An answer says that `cached` tokens of its prompt were, where `foretold` should have been. */
  answered(slot: number, cached: number, foretold: number): void {
    if (foretold <= 0) return;
    this.#rows.row.foretold[slot] += foretold;
    this.#rows.row.cameTrue[slot] += Math.min(cached, foretold);
    const compared = this.#rows.row.foretold[slot];
    if (compared < COMPARED_TOKENS) return;
    this.#learn(slot, this.#rows.row.cameTrue[slot] / compared);
    this.#compared(slot, this.#rows.row.queries[slot], this.#rows.row.hits[slot]);
  }

  /**
   * The instance's own counters of tokens looked up in its cache and found there. Compared as shares of
   * the prompts, so that others' requests matter less.
   */
  counted(slot: number, queries: number, hits: number): void {
    const before = this.#rows.row.queries[slot];
    if (before === 0) {
      this.#compared(slot, queries, hits);
      return;
    }
    const sent = this.#rows.row.sent[slot];
    if (queries - before <= COMPARED_TOKENS || sent <= COMPARED_TOKENS) return;
    const foretold = this.#rows.row.sentForetold[slot] / sent;
    const cameTrue = (hits - this.#rows.row.hits[slot]) / (queries - before);
    if (foretold > LEAST_FORETOLD) this.#learn(slot, cameTrue / foretold);
    this.#compared(slot, queries, hits);
  }

  /** It says itself whether it caches prompts. */
  told(slot: number, caches: boolean): void {
    if (!caches) {
      this.#rows.row.saidOff[slot] = 1;
      this.#rows.row.mistrust[slot] = 1;
      this.#rows.row.isOff[slot] = 1;
    } else if (this.#rows.row.saidOff[slot] === 1) this.reset(slot);
  }

  #learn(slot: number, share: number): void {
    const before = this.share(slot);
    const trust = before + (Math.max(0, Math.min(1, share)) - before) * NEWEST;
    this.#rows.row.mistrust[slot] = 1 - trust;
    if (this.isOn(slot) ? trust < LOST : trust > REGAINED) {
      this.#rows.row.isOff[slot] = this.isOn(slot) ? 1 : 0;
    }
  }

  #compared(slot: number, queries: number, hits: number): void {
    for (const name of ["foretold", "cameTrue", "sent", "sentForetold"] as const) {
      this.#rows.set(name, slot, 0);
    }
    this.#rows.row.queries[slot] = queries;
    this.#rows.row.hits[slot] = hits;
  }
}

// What the instances' metrics said last, and what follows for others' traffic. Between scrapes and when they
// fail the gateway's own traffic is what counts: late metrics are never a reason to refuse a request.

import type { Layout } from "../memory/layout.ts";
import { SlotRows } from "./slot_rows.ts";
import type { InstanceLoad } from "./vllm_metrics.ts";

/** Metrics are late and own requests come and go: only what is clearly more is somebody else's. */
const OWN_SLACK = 2;
const OWN_SHARE = 0.1;

const NAMES = [
  "at",
  "running",
  "waiting",
  "kvUsage",
  "queries",
  "hits",
  "startedAt",
  "own",
  "ownUnanswered",
] as const;

export class Seen {
  readonly #rows: SlotRows<typeof NAMES[number]>;

  /** What is older than `staleAfterMs` counts nothing; each isolate has it from its configuration. */
  constructor(layout: Layout, slots: number, public staleAfterMs = 10_000) {
    this.#rows = new SlotRows(layout, slots, NAMES);
  }

  clear(slot: number): void {
    this.#rows.clear(slot);
  }

  /**
   * Takes what the metrics say at `now` (milliseconds, above zero), while the gateway itself has `own`
   * requests there, of which `ownUnanswered` wait for a first token. Whether the instance was started anew.
   */
  scraped(
    slot: number,
    load: InstanceLoad,
    own: number,
    ownUnanswered: number,
    now: number,
  ): boolean {
    const { running, waiting, kvUsage, queries, hits, startedAt } = load;
    const isAnew = this.#isAnew(slot, load);
    this.#rows.row.at[slot] = now;
    this.#rows.row.running[slot] = running ?? 0;
    this.#rows.row.waiting[slot] = waiting ?? 0;
    this.#rows.row.kvUsage[slot] = kvUsage ?? 0;
    this.#rows.row.queries[slot] = queries ?? 0;
    this.#rows.row.hits[slot] = hits ?? 0;
    this.#rows.row.startedAt[slot] = startedAt ?? 0;
    this.#rows.row.own[slot] = own;
    this.#rows.row.ownUnanswered[slot] = ownUnanswered;
    return isAnew;
  }

  /**
   * What an answer says of the instance, while `ownUnanswered` of the gateway's own wait there: beside what
   * was scraped last, which stays as old as it is. null for what it does not say.
   */
  said(
    slot: number,
    waiting: number | null,
    kvUsage: number | null,
    ownUnanswered: number,
    now: number,
  ): void {
    if (!this.isFresh(slot, now)) return;
    const { row } = this.#rows;
    if (kvUsage !== null) row.kvUsage[slot] = Math.min(1, kvUsage);
    if (waiting === null) return;
    row.waiting[slot] = waiting;
    // Of those that wait now so many more are the gateway's own.
    row.own[slot] = Math.max(0, row.own[slot] + ownUnanswered - row.ownUnanswered[slot]);
    row.ownUnanswered[slot] = ownUnanswered;
  }

  /** Counters that fell, or another time of start. */
  #isAnew(slot: number, { queries, startedAt }: InstanceLoad): boolean {
    if (queries !== null && queries < this.#rows.row.queries[slot]) return true;
    const before = this.#rows.row.startedAt[slot];
    return startedAt !== null && before !== 0 && Math.abs(startedAt - before) > 1;
  }

  /** What tells that it was not started anew: its counter of tokens looked up, and its time of start. */
  identity(slot: number): { queries: number; startedAt: number } {
    return {
      queries: this.#rows.row.queries[slot],
      startedAt: this.#rows.row.startedAt[slot],
    };
  }

  /** What identity said of it before the gateway was started anew. */
  remember(slot: number, { queries, startedAt }: { queries: number; startedAt: number }): void {
    this.#rows.row.queries[slot] = queries;
    this.#rows.row.startedAt[slot] = startedAt;
  }

  isFresh(slot: number, now: number): boolean {
    const at = this.#rows.row.at[slot];
    return at !== 0 && now - at <= this.staleAfterMs;
  }

  /** Milliseconds since the last scrape; null before the first. */
  ageMs(slot: number, now: number): number | null {
    const at = this.#rows.row.at[slot];
    return at === 0 ? null : now - at;
  }

  /** What was said last, whatever its age. */
  last(slot: number) {
    return {
      queries: this.#rows.row.queries[slot],
      hits: this.#rows.row.hits[slot],
      running: this.#rows.row.running[slot],
      waiting: this.#rows.row.waiting[slot],
      kvUsage: this.#rows.row.kvUsage[slot],
    };
  }

  /** Requests of others under way there; zero where that is not known. */
  others(slot: number, now: number): number {
    if (!this.isFresh(slot, now)) return 0;
    const own = this.#rows.row.own[slot];
    const more = this.#rows.row.running[slot] + this.#rows.row.waiting[slot] - own;
    return more > OWN_SLACK + OWN_SHARE * own ? more : 0;
  }

  /** Requests of others that wait there. */
  othersWaiting(slot: number, now: number): number {
    const waiting = this.#rows.row.waiting[slot] - this.#rows.row.ownUnanswered[slot];
    return Math.min(this.others(slot, now), Math.max(0, waiting));
  }
}

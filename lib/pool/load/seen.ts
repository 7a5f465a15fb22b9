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

  /** What is older than `staleAfterMs` counts nothing. */
  constructor(layout: Layout, slots: number, private readonly staleAfterMs = 10_000) {
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
    this.#rows.set("at", slot, now);
    this.#rows.set("running", slot, running ?? 0);
    this.#rows.set("waiting", slot, waiting ?? 0);
    this.#rows.set("kvUsage", slot, kvUsage ?? 0);
    this.#rows.set("queries", slot, queries ?? 0);
    this.#rows.set("hits", slot, hits ?? 0);
    this.#rows.set("startedAt", slot, startedAt ?? 0);
    this.#rows.set("own", slot, own);
    this.#rows.set("ownUnanswered", slot, ownUnanswered);
    return isAnew;
  }

  /** Counters that fell, or another time of start. */
  #isAnew(slot: number, { queries, startedAt }: InstanceLoad): boolean {
    if (queries !== null && queries < this.#rows.get("queries", slot)) return true;
    const before = this.#rows.get("startedAt", slot);
    return startedAt !== null && before !== 0 && Math.abs(startedAt - before) > 1;
  }

  /** What tells that it was not started anew: its counter of tokens looked up, and its time of start. */
  identity(slot: number): { queries: number; startedAt: number } {
    return {
      queries: this.#rows.get("queries", slot),
      startedAt: this.#rows.get("startedAt", slot),
    };
  }

  /** What identity said of it before the gateway was started anew. */
  remember(slot: number, { queries, startedAt }: { queries: number; startedAt: number }): void {
    this.#rows.set("queries", slot, queries);
    this.#rows.set("startedAt", slot, startedAt);
  }

  isFresh(slot: number, now: number): boolean {
    const at = this.#rows.get("at", slot);
    return at !== 0 && now - at <= this.staleAfterMs;
  }

  /** Milliseconds since the last scrape; null before the first. */
  ageMs(slot: number, now: number): number | null {
    const at = this.#rows.get("at", slot);
    return at === 0 ? null : now - at;
  }

  /** What was said last, whatever its age. */
  last(slot: number): { running: number; waiting: number; kvUsage: number } {
    return {
      running: this.#rows.get("running", slot),
      waiting: this.#rows.get("waiting", slot),
      kvUsage: this.#rows.get("kvUsage", slot),
    };
  }

  /** Requests of others under way there; zero where that is not known. */
  others(slot: number, now: number): number {
    if (!this.isFresh(slot, now)) return 0;
    const own = this.#rows.get("own", slot);
    const more = this.#rows.get("running", slot) + this.#rows.get("waiting", slot) - own;
    return more > OWN_SLACK + OWN_SHARE * own ? more : 0;
  }

  /** Requests of others that wait there. */
  othersWaiting(slot: number, now: number): number {
    const waiting = this.#rows.get("waiting", slot) - this.#rows.get("ownUnanswered", slot);
    return Math.min(this.others(slot, now), Math.max(0, waiting));
  }
}

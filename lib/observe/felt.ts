// What clients felt lately: of the requests that ended in the last minutes, how many got no answer, and how
// many only got theirs because the gateway asked elsewhere.

import { isAdminPath } from "../http/admin.ts";
import { HOUR, MINUTE_MS, MinuteCounts } from "./minute_counts.ts";
import { isFailover, type Report } from "./report.ts";

/** A wait that somebody notices. */
const WAITED_MS = 1000;

/** Requests that ended in the last `minutes`. Names of fields are those of the JSON. */
export interface Felt {
  readonly minutes: number;
  readonly requests: number;
  /** Those that got no whole answer though their clients waited, for whatever reason: lost, refused, filtered. */
  readonly failed: number;
  /** Of those, the ones that no instance answered whole. */
  readonly lost: number;
  /** Of the failed ones, those that the gateway or an instance refused: mistakes of clients, limits, keys. */
  readonly refused: number;
  /** Answered whole though an instance had failed: by another one, and streams that broke off and went on. */
  readonly passed_on: number;
  readonly resumed: number;
  /** Answered by an instance that is a fallback. */
  readonly by_fallback: number;
  /** Waited in line for a second or longer. */
  readonly waited: number;
  /** When the last answer was lost, within these minutes or before; ISO text, null for never. */
  readonly last_lost: string | null;
}

const COUNTED = [
  "requests",
  "failed",
  "lost",
  "refused",
  "passed_on",
  "resumed",
  "by_fallback",
  "waited",
] as const;
type Counted = typeof COUNTED[number];

export class FeltByClients {
  readonly #counts = new Map(COUNTED.map((name) => [name, new MinuteCounts()]));

  #lastLost: string | null = null;

  constructor(
    /** Wall clock in milliseconds. */
    private readonly now: () => number,
    private readonly isFallback: (instance: string) => boolean,
  ) {}

  /** On the way of every request. */
  request(report: Report): void {
    // Who is to sign in first has asked nothing of a model.
    if (report.outcome === "rejected" && isAdminPath(report.path)) return;
    const minute = Math.floor(this.now() / MINUTE_MS);
    const add = (name: Counted) => this.#counts.get(name)!.add(minute);
    const { outcome, attempts, resumes, instance, waitedMs } = report;
    add("requests");
    if (waitedMs >= WAITED_MS) add("waited");
    if (outcome === "failed" || outcome === "truncated") {
      add("lost");
      this.#lastLost = new Date(this.now()).toISOString();
    }
    if (outcome === "rejected") add("refused");
    if (outcome !== "complete") {
      if (outcome !== "aborted") add("failed");
      return;
    }
    if (this.isFallback(instance)) add("by_fallback");
    if (resumes.length > 0) add("resumed");
    else if (attempts.some((attempt) => isFailover(report, attempt))) add("passed_on");
  }

  /** `minutes` up to an hour. */
  over(minutes: number): Felt {
    const minute = Math.floor(this.now() / MINUTE_MS);
    const sums = COUNTED.map((name) => [name, this.#counts.get(name)!.sum(minute, minutes)]);
    return { minutes, ...Object.fromEntries(sums), last_lost: this.#lastLost };
  }

  get lastHour(): Felt {
    return this.over(HOUR);
  }
}

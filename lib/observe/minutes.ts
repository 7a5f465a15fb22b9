// A minute of requests in figures, of all, of each model and of each instance: gathered as requests end, made
// into a row when the minute is over.

import { Quantiles } from "./quantiles.ts";
import type { Report } from "./report.ts";

/** One subject in one minute, in this order on the disk. */
export const FIELDS = [
  "requests",
  "failed",
  "tokens",
  "in_flight",
  "waiting",
  "ttft_p50_ms",
  "ttft_p99_ms",
  "inter_token_p50_ms",
  "kv_usage",
] as const;
export type Field = typeof FIELDS[number];
/** null where there was none. */
export type Row = readonly (number | null)[];

/** What stands at the end of a minute, by subject. */
export interface Gauges {
  readonly inFlight: number;
  readonly waiting: number | null;
  readonly kvUsage: number | null;
}

class Subject {
  requests = 0;
  failed = 0;
  tokens = 0;
  readonly firstToken = new Quantiles();
  readonly interToken = new Quantiles();
}

export class Minutes {
  #subjects = new Map<string, Subject>();

  /** On the way of every request. */
  request(report: Report): void {
    this.#add("", report);
    if (report.model !== "") this.#add(`m:${report.model}`, report);
    if (report.instance !== "") this.#add(`i:${report.instance}`, report);
  }

  /** Ends the minute: a row for each subject that something can be said of. */
  end(gauges: ReadonlyMap<string, Gauges>): Record<string, Row> {
    const rows: Record<string, Row> = {};
    const subjects = this.#subjects;
    this.#subjects = new Map();
    // Models are what clients write: only those that there are, are kept.
    for (const [name, { inFlight, waiting, kvUsage }] of gauges) {
      const one = subjects.get(name) ?? new Subject();
      if (one.requests === 0 && inFlight === 0 && !waiting && name !== "") continue;
      rows[name] = [
        one.requests,
        one.failed,
        one.tokens,
        inFlight,
        waiting,
        one.firstToken.at(0.5),
        one.firstToken.at(0.99),
        one.interToken.at(0.5),
        kvUsage === null ? null : Math.round(kvUsage * 1000) / 1000,
      ];
    }
    return rows;
  }

  #add(name: string, report: Report): void {
    let one = this.#subjects.get(name);
    if (one === undefined) {
      // Names that clients make up must not fill the memory.
      if (this.#subjects.size >= MAX_SUBJECTS) return;
      this.#subjects.set(name, one = new Subject());
    }
    const { outcome, streamed, firstByteMs, durationMs } = report;
    one.requests++;
    if (outcome !== "complete" && outcome !== "aborted") one.failed++;
    const tokens = report.completionTokens ?? report.pieces;
    one.tokens += tokens;
    if (!streamed || firstByteMs === null) return;
    one.firstToken.add(firstByteMs);
    if (outcome === "complete" && tokens > 1) {
      one.interToken.add((durationMs - firstByteMs) / (tokens - 1));
    }
  }
}

const MAX_SUBJECTS = 2000;

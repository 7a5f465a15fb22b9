// What is counted of callers beside what they used: limits that they met, who was turned away, and how good
// the estimates were. Names are those of keys, never keys.

import { Histogram } from "./histogram.ts";
import type { Report, ReportedCaller } from "./report.ts";

/** Keys that have a label of their own; others are "other". */
const MAX_KEYS = 1000;
const MAX_MODELS = 1000;
const OTHER = "other";
const RATIOS = [0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 4];

/** How often a key met a limit, by what came of it. */
export interface LimitedCounts {
  rejected: number;
  queued: number;
}

export class CallerCounts {
  /** By key, then by limit. */
  readonly limited = new Map<string, Map<string, LimitedCounts>>();
  /** By reason. */
  readonly turnedAway = new Map<string, number>();
  /** Estimated tokens of a prompt by real ones, by model. */
  readonly estimateRatio = new Map<string, Histogram>();

  request(report: Report): void {
    const { caller, turnedAway } = report;
    if (turnedAway !== "") {
      this.turnedAway.set(turnedAway, (this.turnedAway.get(turnedAway) ?? 0) + 1);
    }
    if (caller === null) return;
    if (caller.limited !== "") this.#met(caller);
    this.#estimated(report.model, caller);
  }

  #met({ key, limited, queued }: ReportedCaller): void {
    const known = this.limited.has(key) || this.limited.size < MAX_KEYS ? key : OTHER;
    const limits = this.limited.get(known) ?? new Map<string, LimitedCounts>();
    this.limited.set(known, limits);
    const counts = limits.get(limited) ?? { rejected: 0, queued: 0 };
    limits.set(limited, counts);
    if (queued) counts.queued++;
    else counts.rejected++;
  }

  #estimated(model: string, { estimatedPrompt, charged }: ReportedCaller): void {
    if (estimatedPrompt === 0 || charged.estimated || charged.prompt === 0) return;
    let histogram = this.estimateRatio.get(model);
    if (histogram === undefined) {
      if (this.estimateRatio.size >= MAX_MODELS) return;
      this.estimateRatio.set(model, histogram = new Histogram(RATIOS));
    }
    histogram.observe(estimatedPrompt / charged.prompt);
  }
}

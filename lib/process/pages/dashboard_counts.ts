// What the dashboard shows of the tally: a copy at the moment of the look, since it compares moments.

import type { Counters } from "../../dashboard/history.ts";
import { TRY_OUTCOMES, type TryOutcome } from "../../observe/report.ts";
import { type Counts, InstanceCounts, type Tally } from "../../observe/tally.ts";

/** Attempts that speak against their instance, whether or not another one answered. */
const ERRORS: readonly TryOutcome[] = ["failed", "broken", "unusable"];

export class DashboardCounts {
  constructor(private readonly tally: Tally) {}

  get total(): Counters {
    return countersOf(this.tally.total);
  }

  /** An instance's errors are its failed attempts; those of the others are requests without an answer. */
  instance(name: string): Counters {
    const counts = this.tally.instance(name);
    return { ...countersOf(counts), errors: errorsOf(counts) };
  }

  model(name: string): Counters {
    return countersOf(this.tally.model(name));
  }
}

function errorsOf(counts: Counts): number {
  if (!(counts instanceof InstanceCounts)) return 0;
  return ERRORS.reduce((sum, one) => sum + counts.attempts[TRY_OUTCOMES.indexOf(one)], 0);
}

function countersOf(counts: Counts): Counters {
  const { requests, errors, promptTokens, completionTokens } = counts;
  return {
    requests,
    errors,
    promptTokens,
    completionTokens,
    generatedTokens: completionTokens + counts.untoldTokens,
  };
}

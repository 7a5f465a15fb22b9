// What the dashboard shows of the tally: a copy at the moment of the look, since it compares moments.

import type { Counters } from "../dashboard/history.ts";
import { type Counts as Counted, FIRST_TOKEN_BOUNDS, type Tally } from "../observe/tally.ts";
import type { Counts } from "./dashboard_source.ts";

export class DashboardCounts implements Counts {
  static readonly BOUNDS_MS = FIRST_TOKEN_BOUNDS.map((seconds) => seconds * 1000);

  constructor(private readonly tally: Tally) {}

  get total(): Counters {
    return countersOf(this.tally.total);
  }

  instance(name: string): Counters {
    return countersOf(this.tally.instance(name));
  }

  model(name: string): Counters {
    return countersOf(this.tally.model(name));
  }
}

function countersOf(counts: Counted): Counters {
  const { requests, errors, promptTokens, completionTokens, firstToken } = counts;
  return { requests, errors, promptTokens, completionTokens, ttft: [...firstToken.counts] };
}

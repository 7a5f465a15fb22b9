// Counters of finished requests for the dashboard.

import type { Counters } from "../dashboard/history.ts";
import type { RequestLine } from "../observe/log.ts";
import type { Counts } from "./dashboard_source.ts";

const BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000];

const fresh = (): Counters => ({
  requests: 0,
  errors: 0,
  promptTokens: 0,
  completionTokens: 0,
  ttft: new Array<number>(BOUNDS_MS.length + 1).fill(0),
});

export class DashboardCounts implements Counts {
  static readonly BOUNDS_MS = BOUNDS_MS;
  total = fresh();
  readonly #instances = new Map<string, Counters>();
  readonly #models = new Map<string, Counters>();

  instance(name: string): Counters {
    return this.#instances.get(name) ?? fresh();
  }

  model(name: string): Counters {
    return this.#models.get(name) ?? fresh();
  }

  add(line: RequestLine): void {
    if (line.outcome === "rejected") return;
    this.total = counted(this.total, line);
    if (line.instance !== "-") {
      this.#instances.set(line.instance, counted(this.instance(line.instance), line));
    }
    this.#models.set(line.model, counted(this.model(line.model), line));
  }
}

function counted(before: Counters, line: RequestLine): Counters {
  const ttft = [...before.ttft];
  if (line.firstByteMs !== null) {
    const at = BOUNDS_MS.findIndex((bound) => line.firstByteMs! <= bound);
    ttft[at < 0 ? BOUNDS_MS.length : at]++;
  }
  return {
    requests: before.requests + 1,
    errors: before.errors + (["failed", "truncated"].includes(line.outcome) ? 1 : 0),
    promptTokens: before.promptTokens + (line.promptTokens ?? 0),
    completionTokens: before.completionTokens + (line.completionTokens ?? 0),
    ttft,
  };
}

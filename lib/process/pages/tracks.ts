// The curves that the dashboard shows, a sample a second: of the whole fleet, of each instance and each model.

import { type Counters, Track } from "../../dashboard/history.ts";
import type { Figures, FleetHistory } from "../../dashboard/source.ts";
import type { FirstTokens } from "../../observe/first_tokens.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { Instance } from "../../pool/instance.ts";
import type { DashboardCounts } from "./dashboard_counts.ts";

/** Entries of the history: two minutes. */
const KEPT = 120;

export interface TracksParts {
  readonly fleet: Fleet;
  readonly counts: DashboardCounts;
  readonly firstTokens: FirstTokens;
}

export class Tracks {
  /** Those before the start are there, too, so that the curves have one length. */
  readonly #times = Array.from(
    { length: KEPT },
    (_, i) => Math.round(Date.now() / 1000) + i - KEPT,
  );
  readonly #total = new Track(KEPT);
  #instances = new Map<string, Track>();
  #models = new Map<string, Track>();
  #history: FleetHistory | null = null;

  constructor(private readonly parts: TracksParts) {}

  /** Takes a sample of each. */
  add(): void {
    const { fleet, counts, firstTokens } = this.parts;
    const now = performance.now();
    const { instances } = fleet;
    this.#times.push(Math.round(Date.now() / 1000));
    this.#times.shift();
    this.#total.add(now, counts.total, inFlightOf(instances), firstTokens.total);
    const inFlight = inFlightByName(instances);
    this.#instances = followed(
      this.#instances,
      inFlight.keys(),
      (name, track) =>
        track.add(now, counts.instance(name), inFlight.get(name)!, firstTokens.instance(name)),
    );
    this.#models = followed(
      this.#models,
      fleet.models,
      (name, track) => track.add(now, counts.model(name), 0, firstTokens.model(name)),
    );
    this.#history = null;
  }

  history(): FleetHistory {
    return this.#history ??= {
      times: [...this.#times],
      totals: this.#total.history(KEPT),
      instances: Object.fromEntries(
        [...this.#instances].map(([name, track]) => [name, track.history(KEPT)]),
      ),
    };
  }

  get total(): Figures {
    return figures(this.parts.counts.total, this.#total);
  }

  instance(name: string): Figures {
    return figures(this.parts.counts.instance(name), this.#instances.get(name));
  }

  model(name: string): Figures {
    return figures(this.parts.counts.model(name), this.#models.get(name));
  }
}

export function inFlightOf(instances: readonly Instance[]): number {
  return instances.reduce((sum, one) => sum + one.inFlight, 0);
}

/** One track for each name, those of removed ones left out. */
function followed(
  before: ReadonlyMap<string, Track>,
  names: Iterable<string>,
  add: (name: string, track: Track) => void,
): Map<string, Track> {
  const tracks = new Map<string, Track>();
  for (const name of names) {
    const track = before.get(name) ?? new Track(KEPT);
    add(name, track);
    tracks.set(name, track);
  }
  return tracks;
}

function figures(counters: Counters, track: Track | undefined): Figures {
  const { requestsPerS = 0, tokensPerS = 0, ttftP50Ms = null, ttftP99Ms = null } = track?.rates ??
    {};
  return {
    requests: counters.requests,
    errors: counters.errors,
    prompt_tokens: counters.promptTokens,
    completion_tokens: counters.completionTokens,
    requests_per_second: requestsPerS,
    tokens_per_second: tokensPerS,
    ttft_p50_ms: ttftP50Ms,
    ttft_p99_ms: ttftP99Ms,
  };
}

function inFlightByName(instances: readonly Instance[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { name, inFlight } of instances) sums.set(name, (sums.get(name) ?? 0) + inFlight);
  return sums;
}

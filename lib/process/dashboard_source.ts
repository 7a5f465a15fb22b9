// Gives the dashboard (and `status`, which asks it) what the process knows: figures of the tally and the
// pool once a second, the events, records and configuration, and the actions.

import { type Counters, Track } from "../dashboard/history.ts";
import type {
  ActionResult,
  ConfigView,
  DashboardSource,
  Figures,
  FleetHistory,
  FleetSnapshot,
  ReloadReport,
  Watcher,
} from "../dashboard/source.ts";
import type { EventFeed, FeedEvent } from "../observe/event_feed.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { Instance } from "../pool/instance.ts";
import { isServing, serviceStatus } from "../pool/service.ts";
import {
  browse,
  type BrowsePage,
  type BrowseQuery,
  readRecord,
  type RecordDetail,
} from "../record/browse.ts";
import type { RecordStats } from "../record/writer.ts";
import { instanceReport } from "../server/health.ts";
import type { Actions } from "./actions.ts";
import { DashboardCounts } from "./dashboard_counts.ts";
import type { Reload } from "./reload.ts";
import type { Snapshots } from "./snapshots.ts";
import { VERSION } from "./version.ts";

const TICK_MS = 1000;
/** Entries of the history: two minutes. */
const KEPT = 120;

/** What the process lends. */
export interface SourceParts {
  snapshots: Snapshots;
  fleet: Fleet;
  counts: DashboardCounts;
  records(): RecordStats;
  feed: EventFeed;
  workers: number;
  reload: Reload;
  actions: Actions;
}

export class ProcessSource implements DashboardSource {
  readonly #parts: SourceParts;
  readonly #startedAt = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #watchers = new Set<Watcher>();
  /** Those before the start are there, too, so that the curves have one length. */
  readonly #times = Array.from(
    { length: KEPT },
    (_, i) => Math.round(Date.now() / 1000) + i - KEPT,
  );
  readonly #total: Track;
  #instances = new Map<string, Track>();
  #models = new Map<string, Track>();
  #snapshot: FleetSnapshot | null = null;
  #history: FleetHistory | null = null;

  constructor(parts: SourceParts) {
    this.#parts = parts;
    this.#total = this.#newTrack();
    this.#tick();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    parts.feed.listen((event) => {
      for (const watcher of this.#watchers) watcher.event(event);
    });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  snapshot(): FleetSnapshot {
    return this.#snapshot ??= this.#look();
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

  events(): readonly FeedEvent[] {
    return this.#parts.feed.events;
  }

  config(): ConfigView {
    return this.#parts.reload.view();
  }

  hasToken(): boolean {
    return this.#parts.snapshots.config.admin.token !== null;
  }

  records(query: BrowseQuery): Promise<BrowsePage> {
    return browse(this.#parts.snapshots.config.dataDir, query);
  }

  record(place: string): Promise<RecordDetail | null> {
    return readRecord(this.#parts.snapshots.config.dataDir, place);
  }

  drain(instance: string): ActionResult {
    return this.#changed(this.#parts.actions.drain(instance));
  }

  undrain(instance: string): ActionResult {
    return this.#changed(this.#parts.actions.undrain(instance));
  }

  reload(): Promise<ReloadReport> {
    return this.#parts.actions.reload();
  }

  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** What was done is seen at once, not only after the next tick. */
  #changed(result: ActionResult): ActionResult {
    this.#snapshot = null;
    return result;
  }

  #newTrack(): Track {
    return new Track(DashboardCounts.BOUNDS_MS, KEPT);
  }

  #tick(): void {
    const { fleet, counts } = this.#parts;
    const now = performance.now();
    const { instances } = fleet;
    this.#times.push(Math.round(Date.now() / 1000));
    this.#times.shift();
    this.#total.add(now, counts.total, inFlightOf(instances));
    this.#instances = this.#follow(
      this.#instances,
      instances.map(({ name }) => name),
      (name, track) => {
        const inFlight = inFlightOf(instances.filter((one) => one.name === name));
        track.add(now, counts.instance(name), inFlight);
      },
    );
    this.#models = this.#follow(
      this.#models,
      fleet.models,
      (name, track) => track.add(now, counts.model(name), 0),
    );
    this.#snapshot = null;
    this.#history = null;
    for (const watcher of this.#watchers) watcher.tick();
  }

  /** One track for each name, those of removed ones left out. */
  #follow(
    before: ReadonlyMap<string, Track>,
    names: readonly string[],
    add: (name: string, track: Track) => void,
  ): Map<string, Track> {
    const tracks = new Map<string, Track>();
    for (const name of names) {
      const track = before.get(name) ?? this.#newTrack();
      add(name, track);
      tracks.set(name, track);
    }
    return tracks;
  }

  #look(): FleetSnapshot {
    const { snapshots, fleet, counts } = this.#parts;
    const { config, drained } = snapshots;
    const { instances } = fleet;
    return {
      time: new Date().toISOString(),
      version: VERSION,
      status: serviceStatus(instances),
      strategy: config.strategy,
      uptime_seconds: Math.round((performance.now() - this.#startedAt) / 100) / 10,
      workers: this.#parts.workers,
      waiting: fleet.waiting,
      totals: { ...figures(counts.total, this.#total), in_flight: inFlightOf(instances) },
      records: { enabled: config.record.enabled, ...this.#parts.records() },
      instances: instances.map((one) => ({
        ...instanceReport(one),
        drained: drained.has(one.name),
        max_concurrency: one.config.maxConcurrency,
        ...figures(counts.instance(one.name), this.#instances.get(one.name)),
      })),
      models: fleet.models.map((name) => {
        const members = instances.filter((one) => one.config.models.includes(name));
        return {
          name,
          instances: members.length,
          available: members.filter(isServing).length,
          ...figures(counts.model(name), this.#models.get(name)),
        };
      }),
    };
  }
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

function inFlightOf(instances: readonly Instance[]): number {
  return instances.reduce((sum, one) => sum + one.inFlight, 0);
}

// Gives the dashboard (and `status`, which asks it) what the process knows: figures of the tally and the
// pool once a second, the events, records and configuration, and the actions.

import type { ScopeKind } from "../../caller/scope.ts";
import type { Period } from "../../config/access.ts";
import { type Counters, Track } from "../../dashboard/history.ts";
import { outlookOf } from "../../dashboard/outlook.ts";
import type {
  ActionResult,
  ConfigCheck,
  ConfigView,
  DashboardSource,
  DiscoveryView,
  Figures,
  FleetHistory,
  FleetSnapshot,
  GatewayView,
  ProbeView,
  ReloadReport,
  TriedView,
  TurnedAwayView,
  Watcher,
} from "../../dashboard/source.ts";
import type { Turns } from "../../http/turns.ts";
import type { DiscoveryState } from "../../discover/followed.ts";
import type { Curves, Range } from "../../observe/minute_files.ts";
import type { Failing, FailingView } from "../../observe/failing.ts";
import type { PolicyHistory } from "../../observe/policy_history.ts";
import type { PoliciesView } from "../../dashboard/policies_view.ts";
import type { FeltByClients } from "../../observe/felt.ts";
import type { FirstTokens } from "../../observe/first_tokens.ts";
import type { EventFeed, FeedEvent } from "../../observe/event_feed.ts";
import type { GatewayFigures } from "../../peers/note.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { Instance, InstanceState } from "../../pool/instance.ts";
import { isServing, serviceStatus } from "../../pool/service.ts";
import type { UsageQuery, UsageView } from "../../dashboard/usage_view.ts";
import type { KeysView } from "../../dashboard/keys_view.ts";
import {
  browse,
  type BrowsePage,
  type BrowseQuery,
  readRecord,
  type RecordDetail,
} from "../../record/browse.ts";
import type { RecordStats } from "../../record/writer.ts";
import type { RequestPage } from "../../requests/browse.ts";
import type { RequestQuery } from "../../requests/parameters.ts";
import type { Story } from "../../requests/story.ts";
import { instanceReport } from "../../server/health.ts";
import type { Actions } from "./actions.ts";
import type { Asking } from "./asking.ts";
import type { Conditions } from "../fleet/conditions.ts";
import type { DashboardUsage } from "./dashboard_usage.ts";
import type { DashboardKeys } from "./dashboard_keys.ts";
import type { DrainedFile } from "../disk/drained_file.ts";
import type { DashboardCounts } from "./dashboard_counts.ts";
import type { MinuteLog } from "../disk/minute_log.ts";
import type { Reload } from "../reload.ts";
import type { RequestLog } from "../disk/request_log.ts";
import type { Snapshots } from "../snapshots.ts";
import { VERSION } from "../version.ts";

const TICK_MS = 1000;
/** Entries of the history: two minutes. */
const KEPT = 120;
/** What clients feel now is what they felt in so many minutes. */
const LATELY = 5;
/** Minutes, the one that has begun among them. */
const JUST_NOW = 2;

/** What the process lends. */
export interface SourceParts {
  snapshots: Snapshots;
  fleet: Fleet;
  counts: DashboardCounts;
  firstTokens: FirstTokens;
  records(): RecordStats;
  requests: RequestLog;
  failing: Failing;
  policies: PolicyHistory;
  felt: FeltByClients;
  minutes: MinuteLog;
  conditions: Conditions;
  discovery(): readonly DiscoveryState[];
  gateways(): readonly GatewayView[];
  feed: EventFeed;
  isolates(): number;
  turnedAway(): TurnedAwayView;
  reload: Reload;
  actions: Actions;
  keys: DashboardKeys;
  usageFiles: DashboardUsage;
  asking: Asking;
  drained: DrainedFile;
  /** Resolves once whoever serves goes by the newest snapshot. */
  caughtUp(): Promise<unknown>;
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

  configFile(): Promise<ConfigCheck | null> {
    return this.#parts.reload.compareFile();
  }

  checkConfig(text: string): ConfigCheck {
    return this.#parts.reload.check(text);
  }

  hasToken(): boolean {
    return this.#parts.snapshots.config.admin.token !== null;
  }

  records(query: BrowseQuery, turns: Turns): Promise<BrowsePage> {
    return browse(this.#parts.snapshots.config.dataDir, query, turns);
  }

  record(place: string, turns: Turns): Promise<RecordDetail | null> {
    return readRecord(this.#parts.snapshots.config.dataDir, place, turns);
  }

  keys(query: string): Promise<KeysView> {
    return this.#parts.keys.look(query);
  }

  usage(query: UsageQuery, turns: Turns): Promise<UsageView> {
    return this.#parts.usageFiles.view(query, turns);
  }

  usageCsv(query: UsageQuery, turns: Turns): Promise<string> {
    return this.#parts.usageFiles.csv(query, turns);
  }

  requests({ filter, cursor, count }: RequestQuery, turns: Turns): Promise<RequestPage> {
    return this.#parts.requests.browse(filter, cursor, count, turns);
  }

  curves(subject: string, range: Range, turns: Turns): Promise<Curves> {
    return this.#parts.minutes.curves(subject, range, turns);
  }

  failing(): FailingView {
    return this.#parts.failing.view();
  }

  policies(): PoliciesView {
    const { policies } = this.#parts.snapshots.config;
    const names = new Set(policies.map(({ options }) => options.name));
    const { policies: figures, ...rest } = this.#parts.policies.view(names);
    return {
      ...rest,
      policies: policies.map(({ options }) => ({
        name: options.name,
        type: options.type,
        mode: options.mode,
        on: "on" in options ? options.on : "prompt",
        ...figures.get(options.name)!,
      })),
    };
  }

  request(id: string, near: number | null, turns: Turns): Promise<Story | null> {
    return this.#parts.requests.find(id, near, turns);
  }

  drain(instance: string): ActionResult {
    return this.#changed(this.#parts.actions.drain(instance));
  }

  resetLimits(kind: ScopeKind, name: string): Promise<ActionResult> {
    return this.#parts.actions.resetLimits(kind, name);
  }

  resetBudget(kind: ScopeKind, name: string, period: Period): Promise<ActionResult> {
    return this.#parts.actions.resetBudget(kind, name, period);
  }

  move(instance: string): Promise<{ moved: number; staying: number }> {
    return this.#parts.actions.move(instance);
  }

  undrain(instance: string): ActionResult {
    return this.#changed(this.#parts.actions.undrain(instance));
  }

  async kept(): Promise<void> {
    await Promise.all([this.#parts.drained.written(), this.#parts.caughtUp()]);
  }

  ask(instance: string): Promise<ProbeView | null> {
    return this.#parts.asking.ask(instance);
  }

  try(instance: string, body: Readonly<Record<string, unknown>>): Promise<TriedView | null> {
    return this.#parts.asking.try(instance, body);
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
    return new Track(KEPT);
  }

  #tick(): void {
    const { fleet, counts, firstTokens } = this.#parts;
    const now = performance.now();
    const { instances } = fleet;
    this.#times.push(Math.round(Date.now() / 1000));
    this.#times.shift();
    this.#total.add(now, counts.total, inFlightOf(instances), firstTokens.total);
    const inFlight = inFlightByName(instances);
    this.#instances = this.#follow(
      this.#instances,
      inFlight.keys(),
      (name, track) =>
        track.add(now, counts.instance(name), inFlight.get(name)!, firstTokens.instance(name)),
    );
    this.#models = this.#follow(
      this.#models,
      fleet.models,
      (name, track) => track.add(now, counts.model(name), 0, firstTokens.model(name)),
    );
    this.#snapshot = null;
    this.#history = null;
    for (const watcher of this.#watchers) watcher.tick();
  }

  /** One track for each name, those of removed ones left out. */
  #follow(
    before: ReadonlyMap<string, Track>,
    names: Iterable<string>,
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

  /** How this gateway is, in a few numbers. */
  figures(): GatewayFigures {
    const { fleet, counts } = this.#parts;
    const { requests, errors, requests_per_second, tokens_per_second } = figures(
      counts.total,
      this.#total,
    );
    return {
      version: VERSION,
      uptime_seconds: this.#uptimeS,
      in_flight: inFlightOf(fleet.instances),
      waiting: fleet.waiting,
      ...{ requests, errors, requests_per_second, tokens_per_second },
    };
  }

  get #uptimeS(): number {
    return Math.round((performance.now() - this.#startedAt) / 100) / 10;
  }

  #look(): FleetSnapshot {
    const { snapshots, fleet, counts, conditions, felt, reload } = this.#parts;
    const { config, drained } = snapshots;
    const { instances } = fleet;
    const engines = new Map((fleet.routingLook()?.instances ?? []).map(({ name, seen }) => [
      name,
      seen === null ? null : {
        running: seen.running,
        waiting: seen.waiting,
        kv_usage: seen.kvUsage,
        prefix_hits: seen.queries > 0 ? seen.hits / seen.queries : null,
        age_seconds: Math.round(seen.ageS),
      },
    ]));
    const seen = {
      time: new Date().toISOString(),
      version: VERSION,
      status: serviceStatus(instances),
      strategy: config.strategy,
      uptime_seconds: this.#uptimeS,
      workers: this.#parts.isolates(),
      turned_away: this.#parts.turnedAway(),
      waiting: fleet.waiting,
      totals: { ...figures(counts.total, this.#total), in_flight: inFlightOf(instances) },
      lately: felt.over(LATELY),
      last_hour: felt.lastHour,
      refused: reload.refused,
      records: { enabled: config.record.enabled, ...this.#parts.records() },
      instances: instances.map((one) => ({
        ...instanceReport(one),
        since: conditions.of(one.name)?.since ?? null,
        cause: one.state === "healthy" ? "" : conditions.of(one.name)?.cause ?? "",
        context_length: one.contextLength,
        engine: engines.get(one.name) ?? null,
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
      discovery: this.#parts.discovery().map(discoveryView),
      gateways: this.#parts.gateways(),
    };
    const outlook = outlookOf({
      ...seen,
      justNow: felt.over(JUST_NOW),
      lastHour: seen.last_hour,
      isServing: ({ state }) => isServing({ state: state as InstanceState }),
    });
    return { ...seen, outlook };
  }
}

function discoveryView(state: DiscoveryState): DiscoveryView {
  const time = (atMs: number | null) => atMs === null ? null : new Date(atMs).toISOString();
  return {
    name: state.name,
    instances: state.found,
    since: time(state.changedAt),
    answered: time(state.answeredAt),
    error: state.error,
    error_since: time(state.errorSince),
  };
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

function inFlightByName(instances: readonly Instance[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { name, inFlight } of instances) sums.set(name, (sums.get(name) ?? 0) + inFlight);
  return sums;
}

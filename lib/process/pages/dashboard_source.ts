// Gives the dashboard (and `status`, which asks it) what the process knows: its fleet and the curves once a
// second, the events, records and configuration, and the actions. What each is, is left to its own room.

import type { ScopeKind } from "../../caller/scope.ts";
import type { Period } from "../../config/access.ts";
import type {
  ActionResult,
  ConfigCheck,
  ConfigView,
  DashboardSource,
  FleetHistory,
  FleetSnapshot,
  ProbeView,
  ReloadReport,
  TriedView,
  Watcher,
} from "../../dashboard/source.ts";
import type { Turns } from "../../http/turns.ts";
import type { Curves, Range } from "../../observe/minute_files.ts";
import type { Failing, FailingView } from "../../observe/failing.ts";
import type { PolicyHistory } from "../../observe/policy_history.ts";
import type { PoliciesView } from "../../dashboard/policies_view.ts";
import type { EventFeed, FeedEvent } from "../../observe/event_feed.ts";
import type { GatewayFigures } from "../../peers/note.ts";
import type { UsageQuery, UsageView } from "../../dashboard/usage_view.ts";
import type { KeysView } from "../../dashboard/keys_view.ts";
import {
  browse,
  type BrowsePage,
  type BrowseQuery,
  readRecord,
  type RecordDetail,
} from "../../record/browse.ts";
import type { RequestPage } from "../../requests/browse.ts";
import type { RequestQuery } from "../../requests/parameters.ts";
import type { Story } from "../../requests/story.ts";
import type { Actions } from "./actions.ts";
import type { Asking } from "./asking.ts";
import type { DashboardUsage } from "./dashboard_usage.ts";
import type { DashboardKeys } from "./dashboard_keys.ts";
import type { DrainedFile } from "../disk/drained_file.ts";
import { fleetSnapshot, type SnapshotParts } from "./fleet_snapshot.ts";
import type { MinuteLog } from "../disk/minute_log.ts";
import type { RequestLog } from "../disk/request_log.ts";
import { inFlightOf, Tracks, type TracksParts } from "./tracks.ts";
import { VERSION } from "../version.ts";

const TICK_MS = 1000;

/** What the process lends. */
export interface SourceParts extends SnapshotParts, TracksParts {
  requests: RequestLog;
  failing: Failing;
  policies: PolicyHistory;
  minutes: MinuteLog;
  feed: EventFeed;
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
  readonly #tracks: Tracks;
  #snapshot: FleetSnapshot | null = null;

  constructor(parts: SourceParts) {
    this.#parts = parts;
    this.#tracks = new Tracks(parts);
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
    return this.#snapshot ??= fleetSnapshot(this.#parts, this.#tracks, this.#uptimeS);
  }

  history(): FleetHistory {
    return this.#tracks.history();
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

  #tick(): void {
    this.#tracks.add();
    this.#snapshot = null;
    for (const watcher of this.#watchers) watcher.tick();
  }

  /** How this gateway is, in a few numbers. */
  figures(): GatewayFigures {
    const { fleet } = this.#parts;
    const { requests, errors, requests_per_second, tokens_per_second } = this.#tracks.total;
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
}

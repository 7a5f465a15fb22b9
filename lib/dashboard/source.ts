// What the dashboard shows, and the few things it may ask for: the process gives it all this. Names of
// fields are those of the JSON that pages and `status` read. Times are ISO texts, durations say their unit.

import type { FeedEvent } from "../observe/event_feed.ts";
import type { BrowsePage, BrowseQuery, RecordDetail } from "../record/browse.ts";

export type { BrowsePage, BrowseQuery, FeedEvent, RecordDetail };

/** A time series: one value for each entry of the history's `times`, null where there was none. */
export type Series = readonly (number | null)[];

/** Figures that instances, models and the whole have alike. */
export interface Figures {
  /** Finished requests since the start. */
  requests: number;
  /** Requests that got no whole answer; of an instance its attempts that failed. */
  errors: number;
  prompt_tokens: number;
  completion_tokens: number;
  /** Finished requests over the last ten seconds. */
  requests_per_second: number;
  /** Their tokens; of streams that told no usage about as many as they had events. */
  tokens_per_second: number;
  /** Time to the first token over the last minute; null when nothing was answered in it. */
  ttft_p50_ms: number | null;
  ttft_p99_ms: number | null;
}

export interface InstanceView extends Figures {
  name: string;
  url: string;
  models: readonly string[];
  fallback: boolean;
  state: string;
  /** In force: 0 while drained. */
  weight: number;
  /** Taken out by an action, until the next reload or undrain. */
  drained: boolean;
  max_concurrency: number | null;
  in_flight: number;
  /** Failures in the current error window. */
  recent_errors: number;
}

export interface ModelView extends Figures {
  name: string;
  /** Instances that serve it, fallbacks included, and how many of them can answer now. */
  instances: number;
  available: number;
}

export interface FleetSnapshot {
  time: string;
  version: string;
  status: "ok" | "degraded" | "unavailable";
  strategy: string;
  uptime_seconds: number;
  workers: number;
  /** Requests that wait in line. */
  waiting: number;
  totals: Figures & { in_flight: number };
  records: {
    enabled: boolean;
    written: number;
    dropped: number;
    failed: number;
    queued: number;
  };
  instances: readonly InstanceView[];
  models: readonly ModelView[];
}

export interface InstanceHistory {
  requests_per_second: Series;
  tokens_per_second: Series;
  in_flight: Series;
  ttft_p50_ms: Series;
}

/** The last minutes, one entry a second; the newest comes last. */
export interface FleetHistory {
  /** Seconds since 1970. */
  times: readonly number[];
  totals: InstanceHistory;
  instances: Readonly<Record<string, InstanceHistory>>;
}

export interface ReloadReport {
  time: string;
  ok: boolean;
  /** `file:line:column: message` */
  problems: readonly string[];
}

export interface ConfigView {
  file: string;
  /** As the file names them, with every default, secrets masked. */
  options: unknown;
  /** Options that command line flags override. */
  overrides: Readonly<Record<string, unknown>>;
  /** null before the first reload. */
  last_reload: ReloadReport | null;
  /** Names of drained instances. */
  drained: readonly string[];
}

export type ActionResult = { ok: true } | { ok: false; status: 404 | 409; message: string };

export interface DashboardSource {
  /** Figures of the last tick, at most a second old. */
  snapshot(): FleetSnapshot;
  history(): FleetHistory;
  /** The newest events, oldest first. */
  events(): readonly FeedEvent[];
  config(): ConfigView;
  /** Whether the configuration has a token; without one nobody can act. */
  hasToken(): boolean;
  records(query: BrowseQuery): Promise<BrowsePage>;
  /** null when there is no such record. */
  record(place: string): Promise<RecordDetail | null>;
  drain(instance: string): ActionResult;
  undrain(instance: string): ActionResult;
  /** Resolves when the file has been read and taken or refused. */
  reload(): Promise<ReloadReport>;
  /** Called after each tick and for each event; returns what ends it. */
  watch(watcher: Watcher): () => void;
}

export interface Watcher {
  tick(): void;
  event(event: FeedEvent): void;
}

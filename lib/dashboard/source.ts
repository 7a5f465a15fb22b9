// What the dashboard shows, and the few things it may ask for: the process gives it all this. Names of
// fields are those of the JSON that pages and `status` read. Times are ISO texts, durations say their unit.

import type { Difference } from "../config/compare.ts";
import type { Turns } from "../http/turns.ts";
import type { Curves, Range } from "../observe/minute_files.ts";
import type { PoliciesView } from "./policies_view.ts";
import type { FailingView } from "../observe/failing.ts";
import type { Felt } from "../observe/felt.ts";
import type { FeedEvent } from "../observe/event_feed.ts";
import type { Outlook } from "./outlook.ts";
import type { KeysView } from "./keys_view.ts";
import type { BrowsePage, BrowseQuery, RecordDetail } from "../record/browse.ts";

import type { RequestPage } from "../requests/browse.ts";
import type { RequestQuery } from "../requests/parameters.ts";
import type { Story } from "../requests/story.ts";

import type { UsageQuery, UsageView } from "./usage_view.ts";

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
  /** Taken out by an action, until it is undrained. */
  drained: boolean;
  max_concurrency: number | null;
  in_flight: number;
  /** Failures in the current error window. */
  recent_errors: number;
  /** When its condition changed last, and why; null and "" where nothing has happened since the start. */
  since: string | null;
  cause: string;
  /** Longest context in tokens, where that is known. */
  context_length: number | null;
  /** What its own metrics said last; null where they are not read. */
  engine: {
    running: number;
    waiting: number;
    /** Share of the KV cache that is in use, and of prompt tokens that were cached, 0 to 1. */
    kv_usage: number;
    prefix_hits: number | null;
    age_seconds: number;
  } | null;
}

export interface ModelView extends Figures {
  name: string;
  /** Instances that serve it, fallbacks included, and how many of them can answer now. */
  instances: number;
  available: number;
}

/** Where instances are looked for, and what became of it. */
export interface DiscoveryView {
  name: string;
  /** How many were found. */
  instances: number;
  /** When the set last changed; null before the first. */
  since: string | null;
  /** When the last answer came. */
  answered: string | null;
  /** Why there is no good answer now, and since when; null while there is. */
  error: string | null;
  error_since: string | null;
}

/** A gateway in front of the same instances, this one included. */
export interface GatewayView {
  name: string;
  version: string;
  uptime_seconds: number;
  in_flight: number;
  waiting: number;
  requests: number;
  errors: number;
  requests_per_second: number;
  tokens_per_second: number;
  /** Seconds since it was heard of. */
  age: number;
}

/** By why: no descriptor was left for them, or their address had all the connections that it may have. */
export interface TurnedAwayView {
  open_files: number;
  per_address: number;
}

export interface FleetSnapshot {
  time: string;
  version: string;
  status: "ok" | "degraded" | "unavailable";
  strategy: string;
  uptime_seconds: number;
  workers: number;
  /** Clients that were turned away before their requests were read. */
  turned_away: TurnedAwayView;
  /** Requests that wait in line. */
  waiting: number;
  totals: Figures & { in_flight: number };
  /** What clients felt in the last minutes, and in the last hour. */
  lately: Felt;
  last_hour: Felt;
  /** The file as it was read last, where it was refused: then what was in force before still is. */
  refused: ReloadReport | null;
  /** All that in sentences, with what is to be done. */
  outlook: Outlook;
  records: {
    enabled: boolean;
    written: number;
    dropped: number;
    failed: number;
    queued: number;
  };
  instances: readonly InstanceView[];
  models: readonly ModelView[];
  discovery: readonly DiscoveryView[];
  /** This gateway first; none where it has no peers. */
  gateways: readonly GatewayView[];
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
  /** Whether all of the file is in force. */
  ok: boolean;
  /** Whether what can be of it is. */
  taken: boolean;
  /** `file:line:column: message`, or what is said of a plugin that does not work, where the rest is in force. */
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

/** What a reload would make of a text. */
export interface ConfigCheck {
  ok: boolean;
  /** `file:line:column: message` */
  problems: readonly string[];
  /** From what is in force to that text, as both are written; none where either is no JSON. */
  differences: readonly Difference[];
  /** Options whose change takes effect at the next start. */
  needs_restart: readonly string[];
}

/** `note`: what was done does not mean what it usually means, and why. */
export type ActionResult =
  | { ok: true; note?: string }
  | { ok: false; status: 404 | 409; message: string };

/** A question to an instance, and what came of it. */
export interface ProbeStepView {
  /** Such as "GET /health". */
  readonly asked: string;
  readonly outcome:
    | "fine"
    | "no_model_of_words"
    | "refuses_key"
    | "not_listed"
    | "no_list"
    | "error"
    | "no_answer";
  readonly ms: number;
  readonly status: number | null;
  readonly detail: string;
}

/** What an instance says when it is asked by hand. */
export interface ProbeView {
  readonly instance: string;
  /** Whether the gateway could use it as it is. */
  readonly ok: boolean;
  /** What the gateway holds it for. */
  readonly state: string;
  /** `probe_good`, `probe_good_but_out` or `probe_bad`: the name of a sentence. */
  readonly verdict: string;
  readonly steps: readonly ProbeStepView[];
}

/** What one instance answered to a chat request, whole. */
export interface TriedView {
  readonly instance: string;
  readonly status: number;
  readonly ms: number;
  readonly text: string;
}

export interface DashboardSource {
  /** Figures of the last tick, at most a second old. */
  snapshot(): FleetSnapshot;
  history(): FleetHistory;
  /** The newest events, oldest first. */
  events(): readonly FeedEvent[];
  config(): ConfigView;
  /** The file as it is on the disk, beside what is in force; null where there is no file. */
  configFile(): Promise<ConfigCheck | null>;
  /** Changes nothing. */
  checkConfig(text: string): ConfigCheck;
  /** Whether the configuration has a token; without one nobody can act. */
  hasToken(): boolean;
  records(query: BrowseQuery, turns: Turns): Promise<BrowsePage>;
  /** null when there is no such record. */
  record(place: string, turns: Turns): Promise<RecordDetail | null>;
  /** Keys whose names have `query`. */
  keys(query: string): Promise<KeysView>;
  usage(query: UsageQuery, turns: Turns): Promise<UsageView>;
  usageCsv(query: UsageQuery, turns: Turns): Promise<string>;
  /** A page of all requests, the newest first. */
  requests(query: RequestQuery, turns: Turns): Promise<RequestPage>;
  /** Curves of all (""), of a model (`m:NAME`) or of an instance (`i:NAME`). */
  curves(subject: string, range: Range, turns: Turns): Promise<Curves>;
  /** What failed in the last hour, in groups. */
  failing(): FailingView;
  /** What policies did in the last hour. */
  policies(): PoliciesView;
  /** null when no such request is kept; `near` is about when it came, in milliseconds since 1970. */
  request(id: string, near: number | null, turns: Turns): Promise<Story | null>;
  drain(instance: string): ActionResult;
  /** Has what runs at a drained instance go on elsewhere; how many did, and how many finish where they are. */
  move(instance: string): Promise<{ moved: number; staying: number }>;
  undrain(instance: string): ActionResult;
  /** Resolves when what was drained and undrained so far is so in all workers, and outlives the process. */
  kept(): Promise<void>;
  /** Asks an instance now, whatever it is held for; null where there is none of the name. */
  ask(instance: string): Promise<ProbeView | null>;
  /** Sends a chat request to this instance alone; null where there is none of the name. */
  try(instance: string, body: Readonly<Record<string, unknown>>): Promise<TriedView | null>;
  /** Fills the limits of a key, a group or a model up again. */
  resetLimits(kind: "key" | "group" | "model", name: string): Promise<ActionResult>;
  /** A budget of a key or group begins anew, before its period does. */
  resetBudget(
    kind: "key" | "group" | "model",
    name: string,
    period: "day" | "month" | "total",
  ): Promise<ActionResult>;
  /** Resolves when the file has been refused, or is in force in all workers. */
  reload(): Promise<ReloadReport>;
  /** Called after each tick and for each event; returns what ends it. */
  watch(watcher: Watcher): () => void;
}

export interface Watcher {
  tick(): void;
  event(event: FeedEvent): void;
}

// The configuration as the rest of the program sees it: one immutable snapshot, every option present,
// units in the names. What users write and its checks are in schema.ts, the way from one to the other
// in normalise.ts.

import type { AddressesConfig, CallersConfig, SharedStateConfig, TlsConfig } from "./access.ts";
import type { AlertChannelOptions } from "./alert_channels.ts";
import type { Place } from "./discovery.ts";
import type { CorsRules } from "../http/cors.ts";
import type { LogLevel } from "./log_level.ts";
import type { PeersConfig } from "./peers.ts";
import type { ModelDiscoveryConfig, RoutingConfig, ScrapeConfig } from "./routing.ts";
import type { PolicyConfig } from "./policies.ts";

/** auto: exact where the instance gives token ids, else continue, else replay. exact: the same. */
export type ResumeMode = "off" | "continue" | "exact" | "auto";

/** Limits for the phases of a request to an instance; null for none. */
export interface Timeouts {
  connectS: number;
  /** Until the head and the first event that means something, of a stream. */
  firstByteS: number;
  /** Where one is silent for far longer than usual, another instance may be asked beside it. */
  firstByteIsAuto: boolean;
  /** Without progress within an answer. */
  idleS: number;
  /** The same where a tool call or a schema may be held back until it is whole. */
  heldIdleS: number;
  /** Until the head of an answer that is not streamed, which comes with the whole answer. */
  answerS: number;
  totalS: number | null;
}

export interface InstanceConfig {
  /** Identity over reloads: url and models. Counters and health belong to it. */
  readonly id: string;
  /** Unique, for logs, metrics and `x-gateway-instance`. */
  readonly name: string;
  /** Scheme, host and port, without a trailing slash: `http://10.0.0.1:8080`. */
  readonly origin: string;
  /** What stands between origin and `/v1/…`: "" for most, "/maas" for `https://host/maas/v1`. */
  readonly pathPrefix: string;
  /** Names that clients use. */
  readonly models: readonly string[];
  /** Client's name to the name this instance knows; missing where they are the same. */
  readonly upstreamModels: Readonly<Record<string, string>>;
  /** Replaces every credential of the client's; null lets them pass. */
  readonly apiKey: string | null;
  /** Paths beyond inference that `apiKey` is lent for, with what is below them. */
  readonly passthrough: readonly string[];
  /** Share of the requests; 0 drains. */
  readonly weight: number;
  /** Requests at once; null for any number. */
  readonly maxConcurrency: number | null;
  /** Longest context in tokens, where the file says it. */
  readonly maxContext: number | null;
  /** Tokens that its KV cache holds, where the file says it. */
  readonly kvTokens: number | null;
  /** Who chooses among its data-parallel ranks where it has several; off: the instance itself. */
  readonly dataParallel: "auto" | "client" | "off";
  /** Ranks that its metrics show; 0 for one engine. Never from the file. */
  readonly ranks: number;
  /** Whether its own list of models counts, beside `models`. */
  readonly listsModels: boolean;
  readonly fallback: boolean;
  readonly timeouts: Timeouts;
}

/** What those that are found have in common. */
export type FoundOptions = Omit<InstanceConfig, "id" | "name" | "origin" | "pathPrefix">;

export interface DiscoveryConfig {
  /** For people, unique: `dns vllm.internal`. */
  readonly name: string;
  readonly place: Place;
  readonly scheme: "http" | "https";
  /** Port of targets that come without one, or of Kubernetes the port's name or number; null for the first. */
  readonly port: number | string | null;
  readonly intervalS: number;
  /** An answer without any instance is believed after this time. */
  readonly keepEmptyS: number;
  readonly found: FoundOptions;
}

export interface HealthCheckConfig {
  /** Seconds between checks; 0 switches active checks off. */
  readonly intervalS: number;
  readonly path: string;
  readonly timeoutS: number;
}

export interface RecordConfig {
  readonly enabled: boolean;
  readonly format: "sharegpt" | "openai";
  /** Answers that may wait to be written. */
  readonly queueMax: number;
  readonly queueMaxBytes: number;
  /** Bytes of one answer that are kept. */
  readonly maxBytes: number;
  /** Whether what policies found something in is kept as it was before they changed it. */
  readonly originals: boolean;
  /** How long complete conversations stay, and the others. */
  readonly keep: KeepConfig;
  readonly keepIncomplete: KeepConfig;
  /** How hours that are over for a day are packed. */
  readonly compress: "none" | "gzip";
}

/** How long hourly files are kept; null for no limit. */
export interface KeepConfig {
  readonly days: number | null;
  readonly bytes: number | null;
}

export interface RequestsConfig {
  /** Whether a line of each request is kept. */
  readonly enabled: boolean;
  readonly keep: KeepConfig;
}

export interface AdminConfig {
  readonly enabled: boolean;
  /** Opens the dashboard from other hosts, and its actions; null for neither. */
  readonly token: string | null;
  /** Whether /metrics is for anyone. */
  readonly publicMetrics: boolean;
  /** Whether this host's own users see everything without the token. */
  readonly local: boolean;
}

/** Where alerts go: the options as the file has them, checked, with a name of its own. */
export type AlertChannelConfig = AlertChannelOptions & { readonly name: string };

/** From when on there is reason for an alert. */
export interface AlertRules {
  /** Seconds in which requests are judged. */
  readonly windowS: number;
  /** Share of a model's requests that may fail; null for no such alert. */
  readonly errorRate: number | null;
  /** Share of a model's requests that may be refused with a 4xx; null for no such alert. */
  readonly refusedRate: number | null;
  /** Seconds that 95 % of a model's streams must keep; null for no such alert. */
  readonly firstTokenS: number | null;
  /** Share of its requests in which a policy may find something; null for no such alert. */
  readonly policyHits: number | null;
  /** Fewer requests in the window are not judged. */
  readonly minRequests: number;
  /** 0 for no such alert. */
  readonly diskFreeBytes: number;
  /** More than three alerts in this time are sent as one summary. */
  readonly summaryWindowS: number;
}

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly workers: number | "auto";
  /** What auto goes by. */
  readonly autoWorkers: {
    /** null for as many as there are cores. */
    readonly max: number | null;
    /** Share of a core, 0 to 1. */
    readonly busy: number;
    readonly afterS: number;
    readonly calmS: number;
  };
  readonly listener: "http1" | "deno_serve";
  readonly transport: "auto" | "fetch";
  /** Private instances first, then the fallbacks in their order. */
  readonly instances: readonly InstanceConfig[];
  /** Where more of them are looked for. */
  readonly discovery: readonly DiscoveryConfig[];
  readonly dataDir: string;
  readonly strategy: "round_robin" | "least_connections" | "prefix_aware" | "bounded_hash";
  readonly routing: RoutingConfig;
  /** null for the gateway's own traffic only. */
  readonly scrape: ScrapeConfig | null;
  readonly modelDiscovery: ModelDiscoveryConfig | null;
  readonly errorThreshold: number;
  readonly errorWindowS: number;
  /** How long the first ejection lasts, and how long any may. */
  readonly ejectionTimeS: number;
  readonly maxEjectionTimeS: number;
  /** From when on silence is suspicious while others answer; 0 for never. */
  readonly hungAfterS: number;
  readonly alertCooldownS: number;
  readonly alerts: readonly AlertChannelConfig[];
  readonly alertRules: AlertRules;
  readonly healthCheck: HealthCheckConfig;
  readonly slowStartS: number;
  /** Longest wait before a passing failure is tried once more on the pool. */
  readonly retryMaxWaitS: number;
  /** Longest time that an instance is left alone at its own wish. */
  readonly maxRetryAfterS: number;
  readonly resume: {
    readonly default: ResumeMode;
    readonly models: Readonly<Record<string, ResumeMode>>;
    /** How long a stream that broke waits for somebody who can go on with it. */
    readonly patienceS: number;
    /** Marks between which a model thinks, beside the usual ones; by model. */
    readonly thinking: Readonly<Record<string, readonly [open: string, close: string]>>;
  };
  readonly queue: { readonly max: number; readonly deadlineS: number };
  /** Seconds between SSE comments while a client waits; 0 for none. */
  readonly keepaliveS: number;
  readonly drainTimeoutS: number;
  /** What the listener asks of clients and their connections. */
  readonly http: {
    readonly maxBodyBytes: number;
    /** Of all requests at once; null for a part of the memory. */
    readonly maxHeldBodyBytes: number | null;
    readonly headTimeoutS: number;
    readonly bodyTimeoutS: number;
    readonly idleTimeoutS: number;
    readonly maxConnectionsPerAddress: number;
  };
  /** Which pages may call the API. */
  readonly cors: CorsRules;
  readonly record: RecordConfig;
  readonly requests: RequestsConfig;
  readonly admin: AdminConfig;
  /** Who may ask and how much; null where anyone may. */
  readonly callers: CallersConfig | null;
  /** In which days and months of usage end. */
  readonly timeZone: string;
  readonly addresses: AddressesConfig;
  /** null for plain HTTP. */
  readonly tls: TlsConfig | null;
  /** null where this gateway shares its limits with no other. */
  readonly sharedState: SharedStateConfig | null;
  /** In the order of the file. */
  readonly policies: readonly PolicyConfig[];
  /** null where this gateway knows of no others. */
  readonly peers: PeersConfig | null;
  readonly log: { readonly level: LogLevel; readonly format: "text" | "json" };
}

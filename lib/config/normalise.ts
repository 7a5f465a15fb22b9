// From checked options to the snapshot that the program works with, and the checks that need to see
// more than one value.

import type { TlsConfig } from "./access.ts";
import type {
  AlertChannelConfig,
  Config,
  FoundOptions,
  InstanceConfig,
  Timeouts,
} from "./config.ts";
import type { Fault } from "./fault.ts";
import { instanceId, modelsNamed, unique } from "./identity.ts";
import { normaliseCallers, type PlacedKey } from "./normalise_access.ts";
import { normaliseDiscovery } from "./normalise_discovery.ts";
import { normalisePolicies, type ReadFile } from "./normalise_policies.ts";
import type { Path } from "./parse.ts";
import { normalisePeers } from "./peers.ts";
import { roomProblem } from "./room.ts";
import { normaliseModelDiscovery, normaliseRouting, normaliseScrape } from "./routing.ts";
import {
  type RawConfig,
  type RawDiscovery,
  type RawInstance,
  RESUME_PATIENCE_S,
} from "./schema.ts";
import { readUrl } from "./url.ts";

/** A parser may hold a whole tool call back; the clients' own limits are as long. */
const HELD_IDLE_S = 300;

/** What is waited for at most, where nobody else can answer. */
const AUTO_FIRST_BYTE_S = 300;

type FirstByte = Pick<Timeouts, "firstByteS" | "firstByteIsAuto">;

function firstByte(given: number | "auto"): FirstByte {
  return given === "auto"
    ? { firstByteS: AUTO_FIRST_BYTE_S, firstByteIsAuto: true }
    : { firstByteS: given, firstByteIsAuto: false };
}

function firstByteOf({ firstByteS, firstByteIsAuto }: Timeouts): FirstByte {
  return { firstByteS, firstByteIsAuto };
}

function mergeTimeouts(raw: RawInstance["timeouts"], base: Timeouts): Timeouts {
  return {
    connectS: raw?.connect ?? base.connectS,
    ...raw?.first_byte === undefined ? firstByteOf(base) : firstByte(raw.first_byte),
    idleS: raw?.idle ?? base.idleS,
    heldIdleS: Math.max(raw?.idle ?? base.idleS, HELD_IDLE_S),
    answerS: raw?.answer ?? base.answerS,
    totalS: raw?.total === undefined ? base.totalS : raw.total,
  };
}

/** The snapshot, or everything that is wrong with it. `keys` are those of all files, `tls` what its files say. `readFile` reads one that the file names. */
export function normalise(
  raw: RawConfig,
  keys: readonly PlacedKey[],
  tls: TlsConfig | null,
  readFile: ReadFile,
): Config | Fault[] {
  const faults: Fault[] = [];
  if (raw.tls?.client_ca_file && raw.listener === "deno_serve") {
    const message =
      "has no effect with listener deno_serve, which cannot ask clients for certificates";
    faults.push({ path: ["tls", "client_ca_file"], message });
  }
  const timeouts = {
    connectS: raw.timeouts.connect,
    ...firstByte(raw.timeouts.first_byte),
    idleS: raw.timeouts.idle,
    heldIdleS: Math.max(raw.timeouts.idle, HELD_IDLE_S),
    answerS: raw.timeouts.answer,
    totalS: raw.timeouts.total,
  };
  const instances: InstanceConfig[] = [];
  const names = new Map<string, number>();
  const ids = new Map<string, Path>();
  /** All that is said of an instance but where it is. */
  const optionsOf = (
    item: RawInstance | RawDiscovery,
    path: Path,
    fallback: boolean,
  ): FoundOptions => {
    const { models, listsModels } = modelsNamed([item.model_name].flat());
    const upstreamModels = typeof item.upstream_model === "string"
      ? Object.fromEntries(models.map((model) => [model, item.upstream_model as string]))
      : { ...item.upstream_model };
    for (const model of Object.keys(upstreamModels)) {
      if (models.includes(model)) continue;
      faults.push({
        path: [...path, "upstream_model", model],
        message: `\`${model}\` is not among model_name`,
      });
    }
    return {
      models,
      upstreamModels,
      apiKey: item.api_key || null,
      passthrough: item.passthrough,
      weight: item.weight,
      maxConcurrency: item.max_concurrency ?? null,
      maxContext: item.max_context ?? null,
      kvTokens: item.kv_tokens ??
        (raw.routing.kv_tokens === "auto" ? null : raw.routing.kv_tokens),
      dataParallel: item.data_parallel ?? raw.routing.data_parallel,
      ranks: 0,
      listsModels,
      fallback,
      timeouts: mergeTimeouts(item.timeouts, timeouts),
    };
  };
  const add = (list: readonly RawInstance[], key: string, fallback: boolean) => {
    list.forEach((item, index) => {
      const path = [key, index];
      const place = readUrl(item.url);
      if (typeof place === "string") throw new Error(place);
      const options = optionsOf(item, path, fallback);
      const id = instanceId(place, options);
      const before = ids.get(id);
      if (before !== undefined) {
        faults.push({
          path: [...path, "url"],
          message: `the same url and models as ${before[0]}[${before[1]}]`,
        });
        return;
      }
      ids.set(id, path);
      const name = unique(item.name ?? new URL(place.origin).host, names);
      instances.push({ id, name, ...place, ...options });
    });
  };
  add(raw.instances, "instances", false);
  add(raw.fallback_instances, "fallback_instances", true);
  const discovery = normaliseDiscovery(
    raw.discovery,
    (item, index) => optionsOf(item, ["discovery", index], false),
    faults,
  );
  if (raw.instances.length + raw.fallback_instances.length + discovery.length === 0) {
    faults.push({ path: ["instances"], message: "expected at least one instance" });
  }
  const tooMany = roomProblem(instances);
  if (tooMany !== null) faults.push({ path: ["instances"], message: tooMany });
  const sharedState = raw.shared_state && {
    url: raw.shared_state.url,
    prefix: raw.shared_state.prefix,
    timeoutS: raw.shared_state.timeout,
    whenDown: raw.shared_state.when_down,
  };
  const peers = normalisePeers(raw.peers, sharedState, faults);
  const callers = normaliseCallers(raw, keys, faults);
  const policies = normalisePolicies(raw.policies, readFile, faults);
  if (faults.length > 0) return faults;
  const parts = { instances, discovery, callers, tls, policies, sharedState, peers };
  return deepFreeze(assemble(raw, parts));
}

function assemble(
  raw: RawConfig,
  parts: Pick<
    Config,
    "instances" | "discovery" | "callers" | "tls" | "policies" | "sharedState" | "peers"
  >,
): Config {
  const { health_check: check } = raw;
  const resume = typeof raw.resume === "string"
    ? { default: raw.resume, models: {}, patience: RESUME_PATIENCE_S, thinking: {} }
    : raw.resume;
  return {
    host: raw.host,
    port: raw.port,
    workers: raw.workers,
    autoWorkers: {
      max: raw.auto_workers.max,
      busy: raw.auto_workers.busy,
      afterS: raw.auto_workers.after,
      calmS: raw.auto_workers.calm,
    },
    listener: raw.listener,
    transport: raw.transport,
    ...parts,
    dataDir: raw.data_dir,
    strategy: raw.load_balancing_strategy,
    routing: normaliseRouting(raw),
    scrape: normaliseScrape(raw),
    modelDiscovery: normaliseModelDiscovery(raw),
    errorThreshold: raw.error_threshold,
    errorWindowS: raw.error_window,
    ejectionTimeS: raw.ejection_time,
    maxEjectionTimeS: raw.max_ejection_time,
    hungAfterS: raw.hung_after,
    alertCooldownS: raw.alert_cooldown,
    alerts: namedChannels(raw.alerts),
    alertRules: {
      windowS: raw.alert_rules.window,
      errorRate: raw.alert_rules.error_rate,
      refusedRate: raw.alert_rules.refused_rate,
      firstTokenS: raw.alert_rules.first_token_s,
      policyHits: raw.alert_rules.policy_hits,
      minRequests: raw.alert_rules.min_requests,
      diskFreeBytes: raw.alert_rules.disk_free_bytes,
      summaryWindowS: raw.alert_rules.summary_window,
    },
    healthCheck: check === false
      ? { intervalS: 0, path: "/health", timeoutS: 2 }
      : { intervalS: check.interval, path: check.path, timeoutS: check.timeout },
    slowStartS: raw.slow_start,
    retryMaxWaitS: raw.retry.max_wait,
    maxRetryAfterS: raw.retry.max_retry_after,
    resume: {
      default: resume.default,
      models: resume.models,
      patienceS: resume.patience,
      thinking: resume.thinking,
    },
    queue: { max: raw.queue.max, deadlineS: raw.queue.deadline },
    keepaliveS: raw.keepalive,
    drainTimeoutS: raw.drain_timeout,
    http: {
      maxBodyBytes: raw.max_body_bytes,
      headTimeoutS: raw.head_timeout,
      bodyTimeoutS: raw.body_timeout,
      idleTimeoutS: raw.idle_timeout,
      maxConnectionsPerAddress: raw.max_connections_per_address,
    },
    record: {
      enabled: raw.record.enabled,
      format: raw.record.format,
      queueMax: raw.record.queue_max,
      queueMaxBytes: raw.record.queue_max_bytes,
      maxBytes: raw.record.max_bytes,
      originals: raw.record.originals,
      keep: { days: raw.record.keep_days, bytes: raw.record.keep_bytes },
      keepIncomplete: {
        days: raw.record.incomplete_keep_days,
        bytes: raw.record.incomplete_keep_bytes,
      },
      compress: raw.record.compress,
    },
    requests: raw.requests,
    timeZone: raw.limits.time_zone,
    admin: {
      enabled: raw.admin.enabled,
      token: raw.admin.token || null,
      publicMetrics: raw.admin.public_metrics,
      local: raw.admin.local,
    },
    cors: raw.cors === false ? { origins: [] } : raw.cors,
    addresses: { allow: raw.access.allow_addresses, trustedProxies: raw.access.trusted_proxies },
    log: raw.log,
  };
}

function namedChannels(channels: RawConfig["alerts"]): AlertChannelConfig[] {
  const names = new Map<string, number>();
  return channels.map((channel) => ({
    ...channel,
    name: unique(channel.name ?? channel.type, names),
  }));
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === "object") {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}

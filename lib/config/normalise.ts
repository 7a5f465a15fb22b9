// From checked options to the snapshot that the program works with, and the checks that need to see
// more than one value.

import type { TlsConfig } from "./access.ts";
import type { AlertChannelConfig, Config } from "./config.ts";
import type { Fault } from "./fault.ts";
import { unique } from "./identity.ts";
import { normaliseCallers, type PlacedKey } from "./normalise_access.ts";
import { normaliseDiscovery } from "./normalise_discovery.ts";
import { normaliseInstances, optionsBy } from "./normalise_instances.ts";
import { normalisePolicies, type ReadFile } from "./normalise_policies.ts";
import { normalisePeers } from "./peers.ts";
import { roomProblem } from "./room.ts";
import { normaliseModelDiscovery, normaliseRouting, normaliseScrape } from "./routing.ts";
import { type RawConfig, RESUME_PATIENCE_S } from "./schema.ts";

/**
 * The snapshot, or everything that is wrong with it. `keys` are those of all files, `tls` what its files say.
 * `readFile` reads one that the file names.
 */
export function normalise(
  raw: RawConfig,
  keys: readonly PlacedKey[],
  tls: TlsConfig | null,
  readFile: ReadFile,
): Config | Fault[] {
  const faults: Fault[] = [];
  refuseIdleClientCa(raw, faults);
  const optionsOf = optionsBy(raw, faults);
  const instances = normaliseInstances(raw, optionsOf, faults);
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
  const sharedState = sharedStateOf(raw);
  const peers = normalisePeers(raw.peers, sharedState, faults);
  const callers = normaliseCallers(raw, keys, faults);
  const policies = normalisePolicies(raw.policies, readFile, faults);
  if (faults.length > 0) return faults;
  const parts = { instances, discovery, callers, tls, policies, sharedState, peers };
  return deepFreeze(assemble(raw, parts));
}

function refuseIdleClientCa({ tls, listener }: RawConfig, faults: Fault[]): void {
  if (!tls?.client_ca_file || listener !== "deno_serve") return;
  const message =
    "has no effect with listener deno_serve, which cannot ask clients for certificates";
  faults.push({ path: ["tls", "client_ca_file"], message });
}

/** What takes checks of its own; all else is only called by other names. */
type Checked = Pick<
  Config,
  "instances" | "discovery" | "callers" | "tls" | "policies" | "sharedState" | "peers"
>;

function assemble(raw: RawConfig, checked: Checked): Config {
  return {
    host: raw.host,
    port: raw.port,
    workers: raw.workers,
    autoWorkers: autoWorkersOf(raw),
    listener: raw.listener,
    transport: raw.transport,
    ...checked,
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
    alertRules: alertRulesOf(raw),
    healthCheck: healthCheckOf(raw),
    slowStartS: raw.slow_start,
    retryMaxWaitS: raw.retry.max_wait,
    maxRetryAfterS: raw.retry.max_retry_after,
    resume: resumeOf(raw),
    queue: { max: raw.queue.max, deadlineS: raw.queue.deadline },
    keepaliveS: raw.keepalive,
    drainTimeoutS: raw.drain_timeout,
    http: httpOf(raw),
    record: recordOf(raw),
    requests: raw.requests,
    timeZone: raw.limits.time_zone,
    admin: adminOf(raw),
    cors: raw.cors === false ? { origins: [] } : raw.cors,
    addresses: { allow: raw.access.allow_addresses, trustedProxies: raw.access.trusted_proxies },
    log: raw.log,
  };
}

function sharedStateOf({ shared_state: shared }: RawConfig): Config["sharedState"] {
  return shared && {
    url: shared.url,
    prefix: shared.prefix,
    timeoutS: shared.timeout,
    whenDown: shared.when_down,
  };
}

function autoWorkersOf({ auto_workers: auto }: RawConfig): Config["autoWorkers"] {
  return { max: auto.max, busy: auto.busy, afterS: auto.after, calmS: auto.calm };
}

function alertRulesOf({ alert_rules: rules }: RawConfig): Config["alertRules"] {
  return {
    windowS: rules.window,
    errorRate: rules.error_rate,
    refusedRate: rules.refused_rate,
    firstTokenS: rules.first_token_s,
    policyHits: rules.policy_hits,
    minRequests: rules.min_requests,
    diskFreeBytes: rules.disk_free_bytes,
    summaryWindowS: rules.summary_window,
  };
}

function healthCheckOf({ health_check: check }: RawConfig): Config["healthCheck"] {
  return check === false
    ? { intervalS: 0, path: "/health", timeoutS: 2 }
    : { intervalS: check.interval, path: check.path, timeoutS: check.timeout };
}

function resumeOf({ resume }: RawConfig): Config["resume"] {
  if (typeof resume === "string") {
    return { default: resume, models: {}, patienceS: RESUME_PATIENCE_S, thinking: {} };
  }
  const { default: usual, models, patience, thinking } = resume;
  return { default: usual, models, patienceS: patience, thinking };
}

function httpOf(raw: RawConfig): Config["http"] {
  return {
    maxBodyBytes: raw.max_body_bytes,
    maxHeldBodyBytes: raw.max_held_body_bytes,
    headTimeoutS: raw.head_timeout,
    bodyTimeoutS: raw.body_timeout,
    idleTimeoutS: raw.idle_timeout,
    maxConnectionsPerAddress: raw.max_connections_per_address,
  };
}

function recordOf({ record }: RawConfig): Config["record"] {
  return {
    enabled: record.enabled,
    format: record.format,
    queueMax: record.queue_max,
    queueMaxBytes: record.queue_max_bytes,
    maxBytes: record.max_bytes,
    originals: record.originals,
    keep: { days: record.keep_days, bytes: record.keep_bytes },
    keepIncomplete: {
      days: record.incomplete_keep_days,
      bytes: record.incomplete_keep_bytes,
    },
    compress: record.compress,
  };
}

function adminOf({ admin }: RawConfig): Config["admin"] {
  return {
    enabled: admin.enabled,
    token: admin.token || null,
    publicMetrics: admin.public_metrics,
    local: admin.local,
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

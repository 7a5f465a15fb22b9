// From checked options to the snapshot that the program works with, and the checks that need to see
// more than one value.

import type { AlertChannelConfig, Config, InstanceConfig, Timeouts } from "./config.ts";
import type { Path } from "./parse.ts";
import { type RawConfig, type RawInstance, RESUME_PATIENCE_S } from "./schema.ts";
import { readUrl } from "./url.ts";

/** A fault of meaning; `path` is where it stands. */
export interface Fault {
  path: Path;
  message: string;
}

/** A parser may hold a whole tool call back; the clients' own limits are as long. */
const HELD_IDLE_S = 300;

function mergeTimeouts(raw: RawInstance["timeouts"], base: Timeouts): Timeouts {
  return {
    connectS: raw?.connect ?? base.connectS,
    firstByteS: raw?.first_byte ?? base.firstByteS,
    idleS: raw?.idle ?? base.idleS,
    heldIdleS: Math.max(raw?.idle ?? base.idleS, HELD_IDLE_S),
    answerS: raw?.answer ?? base.answerS,
    totalS: raw?.total === undefined ? base.totalS : raw.total,
  };
}

/** The snapshot, or everything that is wrong with it. */
export function normalise(raw: RawConfig): Config | Fault[] {
  const faults: Fault[] = [];
  const timeouts = {
    connectS: raw.timeouts.connect,
    firstByteS: raw.timeouts.first_byte,
    idleS: raw.timeouts.idle,
    heldIdleS: Math.max(raw.timeouts.idle, HELD_IDLE_S),
    answerS: raw.timeouts.answer,
    totalS: raw.timeouts.total,
  };
  const instances: InstanceConfig[] = [];
  const names = new Map<string, number>();
  const ids = new Map<string, Path>();
  const add = (list: readonly RawInstance[], key: string, fallback: boolean) => {
    list.forEach((item, index) => {
      const path = [key, index];
      const place = readUrl(item.url);
      if (typeof place === "string") throw new Error(place);
      const models = [...new Set([item.model_name].flat())];
      const id = `${fallback ? "fallback " : ""}${place.origin}${place.pathPrefix} ${
        [...models].sort().join(",")
      }`;
      const before = ids.get(id);
      if (before !== undefined) {
        faults.push({
          path: [...path, "url"],
          message: `the same url and models as ${before[0]}[${before[1]}]`,
        });
        return;
      }
      ids.set(id, path);
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
      instances.push({
        id,
        name: unique(item.name ?? new URL(place.origin).host, names),
        ...place,
        models,
        upstreamModels,
        apiKey: item.api_key || null,
        passthrough: item.passthrough,
        weight: item.weight,
        maxConcurrency: item.max_concurrency ?? null,
        maxContext: item.max_context ?? null,
        fallback,
        timeouts: mergeTimeouts(item.timeouts, timeouts),
      });
    });
  };
  add(raw.instances, "instances", false);
  add(raw.fallback_instances, "fallback_instances", true);
  if (raw.instances.length + raw.fallback_instances.length === 0) {
    faults.push({ path: ["instances"], message: "expected at least one instance" });
  }
  if (faults.length > 0) return faults;
  return deepFreeze(assemble(raw, instances));
}

function assemble(raw: RawConfig, instances: InstanceConfig[]): Config {
  const { health_check: check } = raw;
  const resume = typeof raw.resume === "string"
    ? { default: raw.resume, models: {}, patience: RESUME_PATIENCE_S, thinking: {} }
    : raw.resume;
  return {
    host: raw.host,
    port: raw.port,
    workers: raw.workers,
    listener: raw.listener,
    transport: raw.transport,
    instances,
    dataDir: raw.data_dir,
    strategy: raw.load_balancing_strategy,
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
      firstTokenS: raw.alert_rules.first_token_s,
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
    },
    admin: {
      enabled: raw.admin.enabled,
      token: raw.admin.token || null,
      publicMetrics: raw.admin.public_metrics,
      local: raw.admin.local,
    },
    cors: raw.cors === false ? { origins: [] } : raw.cors,
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

/** The name itself the first time, then name#2, name#3. */
function unique(name: string, taken: Map<string, number>): string {
  const count = (taken.get(name) ?? 0) + 1;
  taken.set(name, count);
  return count === 1 ? name : unique(`${name}#${count}`, taken);
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === "object") {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}

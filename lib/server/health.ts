// The answer of /health: whether the gateway can serve, and how each instance is.

import type { Config } from "../config/config.ts";
import type { Fleet } from "../pool/fleet.ts";
import type { Instance } from "../pool/instance.ts";
import { type ServiceStatus, serviceStatus } from "../pool/service.ts";

/** What is said of an instance wherever the fleet is shown. */
export interface InstanceReport {
  name: string;
  url: string;
  models: readonly string[];
  fallback: boolean;
  state: string;
  weight: number;
  in_flight: number;
  /** Failures in the current error window. */
  recent_errors: number;
}

export interface HealthReport {
  status: ServiceStatus | "draining";
  version: string;
  pid: number;
  strategy: string;
  uptime_seconds: number;
  waiting: number;
  instances: InstanceReport[];
}

export function instanceReport(instance: Instance): InstanceReport {
  return {
    name: instance.name,
    url: instance.config.origin + instance.config.pathPrefix,
    models: instance.config.models,
    fallback: instance.config.fallback,
    state: instance.state,
    weight: instance.config.weight,
    in_flight: instance.inFlight,
    recent_errors: instance.recentErrors,
  };
}

/** 200 goes with ok and degraded, 503 with the others. */
export function healthReport(
  fleet: Fleet,
  config: Config,
  process: { version: string; uptimeS: number; draining: boolean },
): { httpStatus: 200 | 503; report: HealthReport } {
  const { version, uptimeS, draining } = process;
  const status = draining ? "draining" : serviceStatus(fleet.instances);
  return {
    httpStatus: status === "ok" || status === "degraded" ? 200 : 503,
    report: {
      status,
      version,
      pid: Deno.pid,
      strategy: config.strategy,
      uptime_seconds: Math.round(uptimeS * 10) / 10,
      waiting: fleet.waiting,
      instances: fleet.instances.map(instanceReport),
    },
  };
}

/** The report for who may not know where the instances are, and what serves here. */
export function forStrangers({ version: _, pid: __, ...report }: HealthReport) {
  return { ...report, instances: report.instances.map(({ url: _, ...rest }) => rest) };
}

// The answer of /health: whether the gateway can serve, and how each instance is.

import type { Config } from "../config/config.ts";
import type { Fleet } from "../pool/fleet.ts";

export interface HealthReport {
  status: "ok" | "degraded" | "unavailable" | "draining";
  strategy: string;
  uptime_seconds: number;
  waiting: number;
  instances: {
    name: string;
    url: string;
    models: readonly string[];
    fallback: boolean;
    state: string;
    weight: number;
    in_flight: number;
    recent_errors: number;
  }[];
}

const SERVING = new Set(["healthy", "slow_start", "busy", "half_open"]);

/** 200 goes with ok and degraded, 503 with the others. */
export function healthReport(
  fleet: Fleet,
  config: Config,
  uptimeS: number,
  draining: boolean,
): { httpStatus: 200 | 503; report: HealthReport } {
  const instances = fleet.instances.map((instance) => ({
    name: instance.name,
    url: instance.config.origin + instance.config.pathPrefix,
    models: instance.config.models,
    fallback: instance.config.fallback,
    state: instance.state,
    weight: instance.config.weight,
    in_flight: instance.inFlight,
    recent_errors: instance.recentErrors,
  }));
  const serving = instances.filter((instance) => SERVING.has(instance.state)).length;
  const status = draining
    ? "draining"
    : serving === 0
    ? "unavailable"
    : serving < instances.length
    ? "degraded"
    : "ok";
  return {
    httpStatus: status === "ok" || status === "degraded" ? 200 : 503,
    report: {
      status,
      strategy: config.strategy,
      uptime_seconds: Math.round(uptimeS * 10) / 10,
      waiting: fleet.waiting,
      instances,
    },
  };
}

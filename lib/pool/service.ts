// Whether instances can answer: what health, dashboard and metrics say of the whole in one word.

import type { Instance, InstanceState } from "./instance.ts";

/** States in which an instance may get requests. */
const SERVING: ReadonlySet<InstanceState> = new Set(["healthy", "slow_start", "busy", "half_open"]);

export type ServiceStatus = "ok" | "degraded" | "unavailable";

/** Whether the instance may get requests now, or as soon as it has answered what it has. */
export function isServing(instance: Pick<Instance, "state">): boolean {
  return SERVING.has(instance.state);
}

/** ok: all can answer; degraded: some; unavailable: none. */
export function serviceStatus(instances: readonly Pick<Instance, "state">[]): ServiceStatus {
  const serving = instances.filter(isServing).length;
  return serving === 0 ? "unavailable" : serving < instances.length ? "degraded" : "ok";
}

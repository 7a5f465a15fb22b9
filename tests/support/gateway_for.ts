// A gateway before instances that a test answers for itself. What the instances say is left to the test.

import { type GatewayConfig, type GatewayProcess, startGateway } from "./processes.ts";

/** An instance by its URL, which then serves `demo`, or with the options that the test is about. */
export type Entry = string | { readonly url: string; readonly [option: string]: unknown };

/** Starts a gateway before `instances`; `config` goes above everything. */
export function gatewayFor(
  instances: Entry | readonly Entry[],
  config: GatewayConfig = {},
): Promise<GatewayProcess> {
  const entries = [instances].flat().map((entry) => ({
    model_name: "demo",
    ...(typeof entry === "string" ? { url: entry } : entry),
  }));
  return startGateway({ config: { instances: entries, ...config } });
}

/** The same without what it does by itself: it looks after no instance, and waits for none to come back. */
export function quietGatewayFor(
  instances: Entry | readonly Entry[],
  config: GatewayConfig = {},
): Promise<GatewayProcess> {
  return gatewayFor(instances, { health_check: false, retry: { max_wait: 0 }, ...config });
}

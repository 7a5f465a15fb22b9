// All metrics, in the order in which they are shown; docs/metrics.md lists the same.

import { callerMetrics } from "./callers.ts";
import { policyMetrics } from "./policies.ts";
import { discoveryMetrics } from "./discovery.ts";
import { fleetMetrics } from "./fleet.ts";
import type { Metric } from "./metric.ts";
import { peersMetrics } from "./peers.ts";
import { processMetrics } from "./process.ts";
import { requestMetrics } from "./requests.ts";
import { routingMetrics } from "./routing.ts";
import { sharedStateMetrics } from "./shared_state.ts";
import { usageMetrics } from "./usage.ts";

/** Of any gateway. */
export const USUAL_CATALOG: readonly Metric[] = [
  ...requestMetrics,
  ...fleetMetrics,
  ...discoveryMetrics,
  ...peersMetrics,
  ...usageMetrics,
  ...sharedStateMetrics,
  ...callerMetrics,
  ...policyMetrics,
  ...processMetrics,
];

/** Those of routing by prompts are there only where the strategy looks at them. */
export const CATALOG: readonly Metric[] = [...USUAL_CATALOG, ...routingMetrics];

// All metrics, in the order in which they are shown; docs/metrics.md lists the same.

import { fleetMetrics } from "./fleet.ts";
import type { Metric } from "./metric.ts";
import { processMetrics } from "./process.ts";
import { requestMetrics } from "./requests.ts";

export const CATALOG: readonly Metric[] = [...requestMetrics, ...fleetMetrics, ...processMetrics];

// Metrics of the fleet: what each instance does and is, who waits, and what the checks say.

import { countersOf, gaugesOf } from "./each.ts";
import type { Metric } from "./metric.ts";

const ofInstances = gaugesOf("instance", ({ instances }) => instances);
const ofModels = gaugesOf("model", ({ models }) => models);
const counted = countersOf("instance", ({ tally }) => tally.instances);

export const fleetMetrics: readonly Metric[] = [
  ofInstances("gateway_in_flight", "Requests under way at this instance", (i) => i.inFlight),
  ofInstances(
    "gateway_instance_max_concurrency",
    "Requests that this instance may have at once, where that is configured",
    (i) => i.maxConcurrency,
  ),
  {
    name: "gateway_instance_state",
    type: "gauge",
    help: "Always 1, for the state that this instance is in; other states have no line",
    labels: ["instance", "state"],
    *read({ instances }) {
      for (const { name: instance, state } of instances) {
        yield { labels: { instance, state }, value: 1 };
      }
    },
  },
  ofModels("gateway_queued", "Requests that wait for room at an instance", (m) => m.waiting),
  ofModels(
    "gateway_model_available_instances",
    "Instances of this model that may get requests, fallbacks included",
    (m) => m.available,
  ),
  counted("gateway_ejections_total", "Times that failures took this instance out", [], (c) => [
    { labels: {}, value: c.ejections },
  ]),
  counted("gateway_downs_total", "Times that health checks took this instance out", [], (c) => [
    { labels: {}, value: c.downs },
  ]),
  counted("gateway_recoveries_total", "Times that this instance came back", [], (c) => [
    { labels: {}, value: c.recoveries },
  ]),
  counted(
    "gateway_health_checks_total",
    "Active health checks of this instance",
    ["result"],
    (c) => [
      { labels: { result: "passed" }, value: c.checksPassed },
      { labels: { result: "failed" }, value: c.checksFailed },
    ],
  ),
];

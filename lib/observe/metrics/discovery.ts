// Metrics of where instances are looked for.

import type { Metric } from "./metric.ts";

export const discoveryMetrics: readonly Metric[] = [
  {
    name: "gateway_discovery_instances",
    type: "gauge",
    help: "Instances that a discovery has found",
    labels: ["discovery"],
    *read({ discovery }) {
      for (const { name, found } of discovery) yield { labels: { discovery: name }, value: found };
    },
  },
  {
    name: "gateway_discovery_up",
    type: "gauge",
    help:
      "Whether the last answer to a discovery was a good one; if not, the instances of before stay",
    labels: ["discovery"],
    *read({ discovery }) {
      for (const { name, error } of discovery) {
        yield { labels: { discovery: name }, value: error === null ? 1 : 0 };
      }
    },
  },
  {
    name: "gateway_discovery_errors_total",
    type: "counter",
    help: "Questions of a discovery that got no good answer",
    labels: ["discovery"],
    *read({ discovery }) {
      for (const { name, errors } of discovery) {
        yield { labels: { discovery: name }, value: errors };
      }
    },
  },
  {
    name: "gateway_discovery_answer_timestamp_seconds",
    type: "gauge",
    help: "When the last answer to a discovery came, in seconds since 1970",
    labels: ["discovery"],
    *read({ discovery }) {
      for (const { name, answeredAt } of discovery) {
        if (answeredAt !== null) yield { labels: { discovery: name }, value: answeredAt / 1000 };
      }
    },
  },
];

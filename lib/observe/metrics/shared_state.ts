// Metrics of the server that several gateways share, as the main isolate sees it.

import { histogramSamples, type Metric } from "./metric.ts";

export const sharedStateMetrics: readonly Metric[] = [
  {
    name: "gateway_shared_state_up",
    type: "gauge",
    help: "Whether the server that keeps the limits of several gateways answers",
    labels: [],
    *read({ sharedState }) {
      if (sharedState !== null) yield { labels: {}, value: sharedState.isUp ? 1 : 0 };
    },
  },
  {
    name: "gateway_shared_state_errors_total",
    type: "counter",
    help: "Calls of the main isolate to that server that failed or came too late",
    labels: [],
    *read({ sharedState }) {
      if (sharedState !== null) yield { labels: {}, value: sharedState.errors };
    },
  },
  {
    name: "gateway_shared_state_duration_seconds",
    type: "histogram",
    help: "How long calls of the main isolate to that server took",
    labels: [],
    *read({ sharedState }) {
      if (sharedState === null) return;
      yield* histogramSamples("gateway_shared_state_duration_seconds", {}, sharedState.durations);
    },
  },
];

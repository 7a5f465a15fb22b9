// Metrics of callers: what runs for them, which limits they met, and who was turned away. `key` is a name,
// never a key.

import { histogramSamples, type Metric } from "./metric.ts";

const ESTIMATE = "gateway_token_estimate_ratio";

export const callerMetrics: readonly Metric[] = [
  {
    name: "gateway_key_in_flight",
    type: "gauge",
    help: "Requests of this key under way",
    labels: ["key"],
    *read({ usage }) {
      for (const [key, value] of usage?.inFlight ?? []) yield { labels: { key }, value };
    },
  },
  {
    name: "gateway_key_limited_total",
    type: "counter",
    help: "Requests of this key that met a limit, and were refused or waited for it",
    labels: ["key", "limit", "action"],
    *read({ tally }) {
      for (const [key, limits] of tally.callers.limited) {
        for (const [limit, { rejected, queued }] of limits) {
          yield { labels: { key, limit, action: "rejected" }, value: rejected };
          yield { labels: { key, limit, action: "queued" }, value: queued };
        }
      }
    },
  },
  {
    name: "gateway_auth_failures_total",
    type: "counter",
    help: "Requests that were not let in, by reason",
    labels: ["reason"],
    *read({ tally }) {
      for (const [reason, value] of tally.callers.turnedAway) yield { labels: { reason }, value };
    },
  },
  {
    name: ESTIMATE,
    type: "histogram",
    help: "Estimated tokens of a prompt by those that it had, where keys are limited by tokens",
    labels: ["model"],
    *read({ tally }) {
      for (const [model, histogram] of tally.callers.estimateRatio) {
        yield* histogramSamples(ESTIMATE, { model }, histogram);
      }
    },
  },
];

// Metrics of policies, by the names that the configuration gives them.

import type { Metric } from "./metric.ts";

export const policyMetrics: readonly Metric[] = [
  {
    name: "gateway_policy_hits_total",
    type: "counter",
    help: "What a policy found in prompts and answers, by what was done; audit did nothing",
    labels: ["policy", "stage", "mode", "action"],
    *read({ tally }) {
      for (const { name, stage, mode, action, value } of tally.policies.hits.values()) {
        yield { labels: { policy: name, stage, mode, action }, value };
      }
    },
  },
  {
    name: "gateway_policy_errors_total",
    type: "counter",
    help: "Requests that a policy gave no verdict on, by why; unscanned is what it cannot read",
    labels: ["policy", "reason"],
    *read({ tally }) {
      for (const { policy, reason, value } of tally.policies.faults.values()) {
        yield { labels: { policy, reason }, value };
      }
    },
  },
];

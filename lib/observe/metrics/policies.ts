// Metrics of policies, by the names that the configuration gives them.

import { histogramSamples, type Metric } from "./metric.ts";

export const policyMetrics: readonly Metric[] = [
  {
    name: "gateway_policy_checks_total",
    type: "counter",
    help: "Prompts, answers, and windows of answers for guards, that a policy looked at",
    labels: ["policy", "stage"],
    *read({ tally }) {
      for (const { policy, stage, value } of tally.policies.checks.values()) {
        yield { labels: { policy, stage }, value };
      }
    },
  },
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
  {
    name: "gateway_policy_duration_seconds",
    type: "histogram",
    help: "What a policy took for a prompt, and a guard for a window of an answer",
    labels: ["policy"],
    *read({ tally }) {
      for (const [policy, durations] of tally.policies.durations) {
        yield* histogramSamples(this.name, { policy }, durations);
      }
    },
  },
  {
    name: "gateway_policy_held_seconds",
    type: "histogram",
    help:
      "The longest wait of a part of a streamed answer, answers of which policies held something",
    labels: [],
    *read({ tally }) {
      if (tally.policies.checks.size === 0) return;
      yield* histogramSamples(this.name, {}, tally.policies.held);
    },
  },
];

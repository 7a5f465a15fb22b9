// Metrics of callers: what each key has used, and how its budgets stand. `key` is a name, never a key.

import type { Metric } from "./metric.ts";

export const usageMetrics: readonly Metric[] = [
  {
    name: "gateway_key_requests_total",
    type: "counter",
    help: "Finished requests of this key",
    labels: ["key", "outcome"],
    *read({ usage }) {
      for (const [key, { outcomes }] of usage?.keys ?? []) {
        for (const [outcome, value] of outcomes) yield { labels: { key, outcome }, value };
      }
    },
  },
  {
    name: "gateway_key_tokens_total",
    type: "counter",
    help: "Tokens that this key was charged for; cached ones are among those of the prompt",
    labels: ["key", "model", "type"],
    *read({ usage }) {
      for (const [key, { models }] of usage?.keys ?? []) {
        for (const [model, { prompt, cached, completion }] of models) {
          yield { labels: { key, model, type: "prompt" }, value: prompt };
          yield { labels: { key, model, type: "cached" }, value: cached };
          yield { labels: { key, model, type: "completion" }, value: completion };
        }
      }
    },
  },
  {
    name: "gateway_key_cost_total",
    type: "counter",
    help: "What this key was charged, in the currency of limits.prices",
    labels: ["key"],
    *read({ usage }) {
      for (const [key, { sum }] of usage?.keys ?? []) yield { labels: { key }, value: sum.cost };
    },
  },
  {
    name: "gateway_key_budget_used_ratio",
    type: "gauge",
    help: "Share of this key's budget that is used; 1 and more is used up",
    labels: ["key", "period"],
    *read({ usage }) {
      for (const { scope, name, period, usedRatio } of usage?.budgets ?? []) {
        if (scope === "key") yield { labels: { key: name, period }, value: usedRatio };
      }
    },
  },
  {
    name: "gateway_group_budget_used_ratio",
    type: "gauge",
    help: "Share of this group's budget that is used; 1 and more is used up",
    labels: ["group", "period"],
    *read({ usage }) {
      for (const { scope, name, period, usedRatio } of usage?.budgets ?? []) {
        if (scope === "group") yield { labels: { group: name, period }, value: usedRatio };
      }
    },
  },
  {
    name: "gateway_usage_estimated_total",
    type: "counter",
    help: "Requests charged by estimate, since nobody told their usage, by how they ended",
    labels: ["reason"],
    *read({ usage }) {
      for (const [reason, value] of usage?.estimated ?? []) yield { labels: { reason }, value };
    },
  },
];

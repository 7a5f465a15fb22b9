// Metrics of routing by prompts, and what autoscalers ask for. There are none of them where the strategy does
// not look at prompts.

import { countersOf, gaugesOf } from "./each.ts";
import { type Metric, summarySamples } from "./metric.ts";

const ofInstances = gaugesOf("instance", ({ routing }) => routing?.instances ?? []);
const ofModels = gaugesOf("model", ({ routing }) => routing?.models ?? []);
const counted = countersOf(
  "instance",
  ({ routing }) => (routing?.instances ?? []).map((one) => [one.name, one] as const),
);

const ERROR = "gateway_routing_ttft_error_seconds";

export const routingMetrics: readonly Metric[] = [
  counted(
    "gateway_routing_decisions_total",
    "Requests that this instance was chosen for, by why",
    ["reason"],
    (one) =>
      Object.entries(one.decisions).filter(([, count]) => count > 0)
        .map(([reason, value]) => ({ labels: { reason }, value })),
  ),
  counted(
    "gateway_routing_prompt_tokens_total",
    "Tokens of prompts sent to this instance: taken to be cached there (matched), or not (uncached)",
    ["kind"],
    (one) => [
      { labels: { kind: "matched" }, value: one.matched },
      { labels: { kind: "uncached" }, value: one.uncached },
    ],
  ),
  counted(
    "gateway_routing_cached_tokens_total",
    "Tokens of prompts that answers of this instance said to be cached",
    [],
    (one) => [{ labels: {}, value: one.cached }],
  ),
  {
    name: ERROR,
    type: "summary",
    help: "Between the first token of a stream and when it was foretold (sum and count: means)",
    labels: ["instance"],
    *read({ routing }) {
      for (const { name: instance, errorS: sum, compared: count } of routing?.instances ?? []) {
        yield* summarySamples(ERROR, { instance }, { sum, count });
      }
    },
  },
  ofInstances(
    "gateway_instance_prefill_tokens_per_second",
    "Prompt tokens that this instance computes in a second, as learned",
    (one) => one.speed,
  ),
  ofInstances(
    "gateway_instance_trust",
    "Share of the cache hits foretold for this instance that come true; below 0.3 none are foretold",
    (one) => one.trust,
  ),
  ofInstances(
    "gateway_instance_pending_tokens",
    "Prompt tokens of this gateway's requests that this instance has still to compute",
    (one) => one.pending,
  ),
  ofInstances(
    "gateway_instance_unanswered",
    "Requests of this gateway at this instance without a first token",
    (one) => one.unanswered,
  ),
  ofInstances(
    "gateway_instance_running",
    "Requests that this instance computes, as its metrics say",
    (one) => one.seen?.running ?? null,
  ),
  ofInstances(
    "gateway_instance_waiting",
    "Requests that wait inside this instance, as its metrics say",
    (one) => one.seen?.waiting ?? null,
  ),
  ofInstances(
    "gateway_instance_kv_usage",
    "Share of this instance's KV cache that requests hold, as its metrics say",
    (one) => one.seen?.kvUsage ?? null,
  ),
  ofInstances(
    "gateway_instance_scrape_age_seconds",
    "Since this instance's metrics were read last",
    (one) => one.seen?.ageS ?? null,
  ),
  ofInstances(
    "gateway_routing_index_chunks",
    "Chunks of 512 bytes of prompts that this instance is taken to hold",
    (one) => one.chunks,
  ),
  {
    name: "gateway_routing_index_replaced_total",
    type: "counter",
    help: "Chunks in use that gave way to others for want of places",
    labels: [],
    *read({ routing }) {
      if (routing !== null) yield { labels: {}, value: routing.replaced };
    },
  },
  ofModels(
    "gateway_model_backlog_seconds",
    "Seconds until this model's instances have computed the prompts that wait",
    (model) => model.backlogS,
  ),
  ofModels(
    "gateway_model_saturation",
    "Load of this model's instances: 0 for idle, 1 for as much as they can take, above it too much waits",
    (model) => model.saturation,
  ),
  ofModels(
    "gateway_model_instances",
    "Instances of this model that take requests, fallbacks left out",
    (model) => model.instances,
  ),
  ofModels(
    "gateway_model_wanted_instances",
    "Instances with which this model would be used to 70 %",
    (model) => model.wanted,
  ),
];

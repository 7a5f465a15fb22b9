// Metrics of requests: how many, how long, how they ended, and what it took.

import type { Histogram } from "../histogram.ts";
import { OUTCOMES, TRY_OUTCOMES } from "../report.ts";
import { type Counts, NONE, type Tally } from "../tally.ts";
import { histogramSamples, type Metric, type Sample, summarySamples } from "./metric.ts";

/** Attempts that every instance has sooner or later: shown from the start, as zero. */
const USUAL_TRIES = new Set<string>(["answered", "failed"]);

export const requestMetrics: readonly Metric[] = [
  {
    name: "gateway_requests_total",
    type: "counter",
    help: "Finished requests; instance is the one that answered, none where none did",
    labels: ["model", "instance", "route", "outcome", "status"],
    *read({ tally }) {
      for (const [model, { pairs }] of tally.models) {
        for (const [instance, { routes }] of pairs) {
          for (const [route, statuses] of routes) {
            for (const [status, outcomes] of statuses) {
              for (let index = 0; index < OUTCOMES.length; index++) {
                const value = outcomes[index];
                if (value === 0) continue;
                const outcome = OUTCOMES[index];
                yield { labels: { model, instance, route, outcome, status }, value };
              }
            }
          }
        }
      }
    },
  },
  perModel(
    "gateway_request_duration_seconds",
    "Time from a request's arrival to the last byte of its answer, rejected requests left out",
    ({ duration }) => duration,
  ),
  perModel(
    "gateway_time_to_first_token_seconds",
    "Time from a request's arrival to the first token of its answer, streamed answers only",
    ({ firstToken }) => firstToken,
  ),
  perModel(
    "gateway_inter_token_seconds",
    "Mean time between two tokens of one answer, complete streamed answers only",
    ({ interToken }) => interToken,
  ),
  perModel(
    "gateway_tokens_per_second",
    "Completion tokens of one answer over its whole duration, complete answers with usage only",
    ({ tokensPerSecond }) => tokensPerSecond,
  ),
  perInstance(
    "gateway_instance_time_to_first_token_seconds",
    "Time to the first token of streamed answers that this instance gave (sum and count: means)",
    ({ firstToken }) => firstToken,
  ),
  perInstance(
    "gateway_instance_inter_token_seconds",
    "Mean time between two tokens of answers that this instance gave (sum and count: means)",
    ({ interToken }) => interToken,
  ),
  {
    name: "gateway_tokens_total",
    type: "counter",
    help: "Tokens as instances reported them in usage; streams without usage count nothing",
    labels: ["model", "instance", "type"],
    *read({ tally }) {
      for (const [model, { pairs }] of tally.models) {
        for (const [instance, pair] of pairs) {
          if (pair.promptTokens + pair.completionTokens === 0) continue;
          yield { labels: { model, instance, type: "prompt" }, value: pair.promptTokens };
          yield { labels: { model, instance, type: "completion" }, value: pair.completionTokens };
        }
      }
    },
  },
  {
    name: "gateway_attempts_total",
    type: "counter",
    help: "Requests sent to an instance by how that ended",
    labels: ["instance", "outcome"],
    *read({ tally }) {
      for (const [instance, { attempts }] of tally.instances) {
        for (let index = 0; index < TRY_OUTCOMES.length; index++) {
          const outcome = TRY_OUTCOMES[index];
          const value = attempts[index];
          if (value > 0 || USUAL_TRIES.has(outcome)) yield { labels: { instance, outcome }, value };
        }
      }
    },
  },
  {
    name: "gateway_failovers_total",
    type: "counter",
    help: "Attempts on this instance that failed while a later attempt answered the request",
    labels: ["instance"],
    *read({ tally }) {
      for (const [instance, { failovers }] of tally.instances) {
        yield { labels: { instance }, value: failovers };
      }
    },
  },
  {
    name: "gateway_resumes_total",
    type: "counter",
    help: "Streams that broke off and went on elsewhere by the way in which they did",
    labels: ["way"],
    *read({ tally }) {
      for (const [way, value] of tally.resumes) yield { labels: { way }, value };
    },
  },
  {
    name: "gateway_truncated_total",
    type: "counter",
    help: "Answers that broke off and could not be resumed",
    labels: ["model"],
    *read({ tally }) {
      for (const [model, counts] of named(tally)) {
        yield { labels: { model }, value: counts.count("truncated") };
      }
    },
  },
  {
    name: "gateway_client_aborts_total",
    type: "counter",
    help: "Requests whose client left before the answer began (waiting) or while it came (answer)",
    labels: ["model", "phase"],
    *read({ tally }) {
      for (const [model, { abortsBefore, abortsDuring }] of named(tally)) {
        yield { labels: { model, phase: "waiting" }, value: abortsBefore };
        yield { labels: { model, phase: "answer" }, value: abortsDuring };
      }
    },
  },
];

/** Requests that named no model never got as far as an answer. */
function* named(tally: Tally): Generator<[string, Counts]> {
  for (const entry of tally.models) if (entry[0] !== NONE) yield entry;
}

function perModel(name: string, help: string, of: (counts: Counts) => Histogram): Metric {
  return {
    name,
    type: "histogram",
    help,
    labels: ["model"],
    *read({ tally }): Generator<Sample> {
      for (const [model, counts] of named(tally)) {
        yield* histogramSamples(name, { model }, of(counts));
      }
    },
  };
}

/** Without buckets: those of fifty instances would be most of what is scraped. */
function perInstance(name: string, help: string, of: (counts: Counts) => Histogram): Metric {
  return {
    name,
    type: "summary",
    help,
    labels: ["instance"],
    *read({ tally }): Generator<Sample> {
      for (const [instance, counts] of tally.instances) {
        yield* summarySamples(name, { instance }, of(counts));
      }
    },
  };
}

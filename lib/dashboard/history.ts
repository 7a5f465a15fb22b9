// Rates, quantiles and curves from counters that only grow: remembers a sample each second and compares.

import type { InstanceHistory } from "./source.ts";

/** Counters of one instance, model or the whole, since the start. */
export interface Counters {
  requests: number;
  errors: number;
  promptTokens: number;
  completionTokens: number;
  /** The same, with what was streamed without any usage told. */
  generatedTokens: number;
  /** Answers by time to first token: one count for each bound and one above all. */
  ttft: readonly number[];
}

interface Sample {
  atMs: number;
  counters: Counters;
  inFlight: number;
}

const RATE_SAMPLES = 10;
const QUANTILE_SAMPLES = 60;

/** Rates and quantiles of this moment. */
export interface Rates {
  requestsPerS: number;
  tokensPerS: number;
  ttftP50Ms: number | null;
  ttftP99Ms: number | null;
}

/** The samples of one subject; `keep` of them, one a second. */
export class Track {
  #samples: Sample[] = [];
  readonly #curves: Record<keyof InstanceHistory, (number | null)[]> = {
    requests_per_second: [],
    tokens_per_second: [],
    in_flight: [],
    ttft_p50_ms: [],
  };
  rates: Rates = { requestsPerS: 0, tokensPerS: 0, ttftP50Ms: null, ttftP99Ms: null };

  /** `boundsMs` are the upper bounds of `Counters.ttft`. */
  constructor(private readonly boundsMs: readonly number[], private readonly keep: number) {}

  add(atMs: number, counters: Counters, inFlight: number): void {
    this.#samples.push({ atMs, counters, inFlight });
    if (this.#samples.length > QUANTILE_SAMPLES + 1) this.#samples.shift();
    const last = this.#samples.at(-1)!;
    const rateFrom = this.#samples.at(-1 - RATE_SAMPLES) ?? this.#samples[0];
    const seconds = (last.atMs - rateFrom.atMs) / 1000;
    const since = (field: "requests" | "generatedTokens") =>
      seconds <= 0 ? 0 : (last.counters[field] - rateFrom.counters[field]) / seconds;
    const counts = difference(last.counters.ttft, this.#samples[0].counters.ttft);
    this.rates = {
      requestsPerS: hundredths(since("requests")),
      tokensPerS: hundredths(since("generatedTokens")),
      ttftP50Ms: quantile(this.boundsMs, counts, 0.5),
      ttftP99Ms: quantile(this.boundsMs, counts, 0.99),
    };
    this.#curve("requests_per_second", this.rates.requestsPerS);
    this.#curve("tokens_per_second", this.rates.tokensPerS);
    this.#curve("in_flight", inFlight);
    this.#curve("ttft_p50_ms", this.rates.ttftP50Ms);
  }

  /** The curves, `length` values each; what is older than the track is null. */
  history(length: number): InstanceHistory {
    const padded = (values: (number | null)[]) => [
      ...new Array<null>(Math.max(0, length - values.length)).fill(null),
      ...values.slice(-length),
    ];
    return {
      requests_per_second: padded(this.#curves.requests_per_second),
      tokens_per_second: padded(this.#curves.tokens_per_second),
      in_flight: padded(this.#curves.in_flight),
      ttft_p50_ms: padded(this.#curves.ttft_p50_ms),
    };
  }

  #curve(name: keyof InstanceHistory, value: number | null): void {
    const curve = this.#curves[name];
    curve.push(value);
    if (curve.length > this.keep) curve.shift();
  }
}

function difference(now: readonly number[], before: readonly number[]): number[] {
  return now.map((count, index) => count - (before[index] ?? 0));
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

/**
 * The value below which the share `q` lies, linear within a bucket as Prometheus' histogram_quantile
 * has it; above the last bound that bound. null without any.
 */
export function quantile(
  bounds: readonly number[],
  counts: readonly number[],
  q: number,
): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total <= 0) return null;
  const wanted = total * q;
  let below = 0;
  for (let index = 0; index < bounds.length; index++) {
    const count = counts[index];
    if (below + count >= wanted && count > 0) {
      const low = index === 0 ? 0 : bounds[index - 1];
      const value = low + (bounds[index] - low) * ((wanted - below) / count);
      return Math.round(value * 10) / 10;
    }
    below += count;
  }
  return bounds.at(-1) ?? null;
}

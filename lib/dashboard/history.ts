// Rates and curves from counters that only grow: remembers a sample each second and compares.

import type { FirstToken } from "../observe/first_tokens.ts";
import type { InstanceHistory } from "./source.ts";

/** Counters of one instance, model or the whole, since the start. */
export interface Counters {
  requests: number;
  errors: number;
  promptTokens: number;
  completionTokens: number;
  /** The same, with what was streamed without any usage told. */
  generatedTokens: number;
}

interface Sample {
  atMs: number;
  counters: Counters;
}

const RATE_SAMPLES = 10;

/** Rates of this moment, and quantiles of the last minute. */
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

  constructor(private readonly keep: number) {}

  add(atMs: number, counters: Counters, inFlight: number, ttft: FirstToken): void {
    this.#samples.push({ atMs, counters });
    if (this.#samples.length > RATE_SAMPLES + 1) this.#samples.shift();
    const last = this.#samples.at(-1)!;
    const rateFrom = this.#samples.at(-1 - RATE_SAMPLES) ?? this.#samples[0];
    const seconds = (last.atMs - rateFrom.atMs) / 1000;
    const since = (field: "requests" | "generatedTokens") =>
      seconds <= 0 ? 0 : (last.counters[field] - rateFrom.counters[field]) / seconds;
    this.rates = {
      requestsPerS: hundredths(since("requests")),
      tokensPerS: hundredths(since("generatedTokens")),
      ttftP50Ms: ttft.p50,
      ttftP99Ms: ttft.p99,
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

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

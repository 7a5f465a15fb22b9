// The sampling parameters that all generating requests share, checked as vLLM checks them.

import type { Limits } from "./choice.ts";
import { badParameter, contextTooLong, invalidBody } from "./errors.ts";
import type { Exchange, Json } from "./exchange.ts";
import { scramble } from "./model.ts";

/** Sampling parameters of a request. */
export interface Sampling {
  n: number;
  /** One a choice: 0 at temperature 0. */
  salts: number[];
  limits: Omit<Limits, "maxTokens">;
  /** Null where the request leaves it open. */
  maxTokens: number | null;
  skipSpecialTokens: boolean;
  streamInterval: number | null;
}

/**
 * Reads them. Without a temperature the answer is the certain one, as where a model's generation
 * config says 0. Throws ApiError 400.
 */
export function readSampling(
  body: Json,
  exchange: Exchange,
  maxTokensName = "max_tokens",
): Sampling {
  const number = (name: string, low: number, high = Infinity, whole = false): number | null => {
    const value = body[name] ?? null;
    if (value === null) return null;
    if (typeof value !== "number" || (whole && !Number.isInteger(value))) {
      const kind = whole ? "integer" : "number";
      throw invalidBody(whole ? "int_type" : "float_type", name, `Input should be a valid ${kind}`);
    }
    if (value < low || value > high) {
      const range = high === Infinity ? `at least ${low}` : `in [${low}, ${high}]`;
      throw badParameter(`${name} must be ${range}, got ${value}.`, name);
    }
    return value;
  };
  const temperature = number("temperature", 0) ?? 0;
  number("top_p", Number.MIN_VALUE, 1);
  // Repetition counts the prompt's tokens too, the others only those of the answer.
  const penalised = (number("repetition_penalty", Number.MIN_VALUE) ?? 1) !== 1
    ? "prompt and answer"
    : (number("presence_penalty", -2, 2) ?? 0) !== 0 ||
        (number("frequency_penalty", -2, 2) ?? 0) !== 0
    ? "answer"
    : "none";
  const n = number("n", 1, 128, true) ?? 1;
  const seed = number("seed", -Infinity, Infinity, true);
  const stop = body.stop ?? [];
  const stops = typeof stop === "string" ? [stop] : stop;
  if (!Array.isArray(stops) || stops.some((text) => typeof text !== "string")) {
    throw invalidBody("list_type", "stop", "Input should be a valid list");
  }
  const stopTokenIds = Array.isArray(body.stop_token_ids) ? body.stop_token_ids as number[] : [];
  const { fault } = exchange;
  return {
    n,
    salts: Array.from({ length: n }, (_, index) => {
      if (temperature === 0) return 0;
      const base = seed ?? Math.floor(Math.random() * 2 ** 32);
      return scramble(base * 131 + index + 1 | 0) | 1;
    }),
    maxTokens: number(maxTokensName, 1, Infinity, true),
    limits: {
      minTokens: number("min_tokens", 0, Infinity, true) ?? 0,
      ignoreEos: body.ignore_eos === true,
      stop: stops.filter((text) => text !== ""),
      stopTokenIds,
      includeStop: body.include_stop_str_in_output === true,
      abortAfter: fault?.kind === "abort" ? fault.number ?? 0 : null,
      penalised,
    },
    skipSpecialTokens: body.skip_special_tokens !== false,
    streamInterval: number("stream_interval", 1, Infinity, true),
  };
}

/** The tokens an answer may have at most after a prompt. Throws ApiError 400 when there is no room. */
export function room(promptTokens: number, wanted: number | null, maximum: number): number {
  if (promptTokens + (wanted ?? 1) > maximum) {
    throw contextTooLong(maximum, promptTokens, wanted ?? 1);
  }
  return wanted ?? maximum - promptTokens;
}

/** The `usage` of an answer. */
export function usage(promptTokens: number, completionTokens: number, cachedTokens: number) {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/**
 * What `stream_options` asks for, where it is not the server that gives usage in every chunk. Throws
 * ApiError 400 when they come without `stream`.
 */
export function streamOptions(
  body: Json,
  { forceIncludeUsage }: { forceIncludeUsage: boolean },
): { usage: boolean; everyChunk: boolean } {
  const options = body.stream_options as Json | undefined | null;
  if (options && body.stream !== true) {
    throw invalidBody(
      "value_error",
      "",
      "Value error, Stream options can only be defined when `stream=True`.",
    );
  }
  const usage = forceIncludeUsage || options?.include_usage === true;
  return {
    usage,
    everyChunk: forceIncludeUsage || usage && options?.continuous_usage_stats === true,
  };
}

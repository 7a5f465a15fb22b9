// The `meta` of a record: how the answer came about, apart from what was said.

import type { Answer, AnswerChoice } from "../sse/assemble/answer.ts";
import type { Json } from "../json/json.ts";
import type { RequestOutcome } from "../observe/report.ts";
import type { Capture } from "./capture.ts";

/** Fields of a request that change what a model answers (OpenAI, vLLM, Anthropic). */
const SAMPLING: ReadonlySet<string> = new Set([
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "min_tokens",
  "n",
  "best_of",
  "seed",
  "stop",
  "stop_sequences",
  "stop_token_ids",
  "ignore_eos",
  "presence_penalty",
  "frequency_penalty",
  "repetition_penalty",
  "logit_bias",
  "bad_words",
  "suffix",
  "tool_choice",
  "parallel_tool_calls",
  "response_format",
  "structured_outputs",
  "text",
  "guided_json",
  "guided_regex",
  "guided_choice",
  "guided_grammar",
  "reasoning",
  "reasoning_effort",
  "thinking",
  "thinking_token_budget",
  "chat_template_kwargs",
  "previous_response_id",
]);

/** Why a record is no complete conversation. */
export interface Fault {
  /** unfit: the answer was whole, and the record cannot hold it. */
  outcome: Exclude<RequestOutcome, "complete"> | "unfit";
  error: string;
}

/** The fields of SAMPLING that `body` has. */
function samplingOf(body: Json): Json | undefined {
  let found: Json | undefined;
  for (const name in body) {
    if (SAMPLING.has(name) && body[name] !== null) (found ??= {})[name] = body[name];
  }
  return found;
}

/** undefined fields disappear when the record is written. */
export function metaOf(
  capture: Capture,
  answer: Answer,
  choice: AnswerChoice | undefined,
  body: Json,
  prompt: "token_ids" | undefined,
  fault: Fault | undefined,
): Json {
  return {
    instance: capture.instance,
    route: capture.route,
    api: capture.api,
    request_id: capture.id,
    stream: capture.stream,
    client: capture.client,
    key: capture.key,
    group: capture.group,
    charged: capture.charged,
    user_agent: capture.userAgent,
    policies: capture.policies,
    flagged: capture.flagged,
    prompt,
    sampling: samplingOf(body),
    usage: answer.usage ?? undefined,
    finish_reason: choice?.finishReason ?? null,
    choice: answer.choices.length > 1 ? choice?.index : undefined,
    started_at: new Date(capture.startedAtMs).toISOString(),
    first_byte_ms: capture.firstByteMs,
    duration_ms: capture.durationMs,
    attempts: capture.attempts.length > 1 ? capture.attempts : undefined,
    resumed: capture.resumed,
    status: fault === undefined ? undefined : capture.status,
    outcome: fault?.outcome,
    error: fault?.error,
  };
}

// How a broken answer may go on: which ways are safe for this request, and what is asked of the next
// instance. Trying one after the other is left to resumption.ts, mending two streams into one to mend.ts.

import type { Api } from "../../api/api.ts";
import { dialectOf } from "../../api/dialects.ts";
import type { ResumeWay } from "../../api/dialect.ts";
import type { ResumeMode } from "../../config/config.ts";
import type { Answer } from "../../sse/assemble/answer.ts";
import { isObject, type Json } from "../../json/json.ts";
import { ONE_RUN_OPTIONS } from "./one_run_options.ts";
import type { TokenIds } from "./token_ids.ts";

/** Fewer may well come twice in a row ("ha", "1, "): they do not tell a second run of an answer from its rest. */
export const FEW_CHARS = 4;

/** What a client already has of an answer. */
export interface Sent {
  answer: Answer;
  /** Tokens of the answer: as the ids say, else the events that carried text. */
  tokens: number;
  /** The events themselves. */
  events(): Iterable<Uint8Array>;
  /** Token ids of prompt and answer, where they were asked for. */
  ids: TokenIds | null;
}

/**
 * The ways that are safe, best first. Answers of several choices, and those whose tokens depend on more than
 * the tokens before them, can only be replayed, where agreement with the part already sent is the proof.
 */
export function resumeWays(
  api: Api,
  request: Json,
  choices: number,
  mode: ResumeMode,
  sent: Sent,
): ResumeWay[] {
  if (mode === "off") return [];
  if (choices !== 1) return ["replay"];
  if (needsOneRun(request)) return ["replay"];
  const order = orderOf(api, request, sent, mode);
  const known = dialectOf(api).resumeWays;
  return order.filter((way) => known.includes(way) && !(way === "exact" && mode === "continue"));
}

/**
 * Text that is tokenised anew is another text to the model: greedy answers are rather asked for once more,
 * where the tokens themselves do not serve.
 */
function orderOf(
  api: Api,
  request: Json,
  { ids, answer }: Sent,
  mode: ResumeMode,
): ResumeWay[] {
  if (replaysFirst(api, request)) return ["replay", "exact", "continue"];
  if (ids === null || !ids.areKnown) {
    // Of a server that begins anew so few characters would not tell, and to meet them again costs little.
    const text = answer.choices[0]?.message.content ?? "";
    const isShort = text !== "" && text.length < FEW_CHARS;
    return isShort ? ["replay", "continue"] : ["continue", "replay"];
  }
  // A client that has the ids would have some that the text was not made of.
  if (ids.keeps) return mode === "continue" ? ["replay", "continue"] : ["exact", "replay"];
  return request.temperature === 0
    ? ["exact", "replay", "continue"]
    : ["exact", "continue", "replay"];
}

/** Options that need the whole answer to come from one run of the model. */
function needsOneRun(request: Json): boolean {
  const isSet = (value: unknown) =>
    value !== undefined && value !== null && value !== false && value !== 0;
  if (ONE_RUN_OPTIONS.some((name) => isSet(request[name]))) return true;
  const format = request.response_format ??
    (isObject(request.text) ? request.text.format : undefined);
  if (isObject(format) && format.type !== "text") return true;
  return request.tool_choice === "required" || isObject(request.tool_choice);
}

/**
 * Where two runs agree for sure and a continuation would not: seeded sampling begins its generator anew,
 * and these two penalties do not count a prompt. Greedy answers of an API without token ids, too.
 */
function replaysFirst(api: Api, request: Json): boolean {
  const isGreedy = request.temperature === 0;
  if (!isGreedy && typeof request.seed === "number") return true;
  if (["frequency_penalty", "presence_penalty"].some((name) => Number(request[name] ?? 0) !== 0)) {
    return true;
  }
  return isGreedy && !dialectOf(api).resumeWays.includes("exact");
}

/** Whether an instance can go on from the text, left open as the last message or prompt. */
export function mayContinueText(api: Api, request: Json, { answer }: Sent): boolean {
  const message = answer.choices[0]?.message;
  if (message === undefined || !message.content) return false;
  if (message.reasoning || (message.tool_calls ?? []).length > 0) return false;
  if (api === "completions") return promptText(request.prompt) !== null;
  return api === "chat" && Array.isArray(request.messages) && request.messages.length > 0;
}

function promptText(prompt: unknown): string | null {
  if (typeof prompt === "string") return prompt;
  return Array.isArray(prompt) && prompt.length === 1 && typeof prompt[0] === "string"
    ? prompt[0]
    : null;
}

/**
 * The request that continues the answer's text, or null when its token limit is already spent. vLLM leaves the
 * last assistant message open with continue_final_message; add_generation_prompt must be false then.
 */
export function continuation(api: Api, request: Json, sent: Sent): Json | null {
  const next: Json = { ...request };
  // Without a limit the completions API gives 16 tokens.
  if (api === "completions" && typeof next.max_tokens !== "number") next.max_tokens = 16;
  for (const name of ["max_tokens", "max_completion_tokens"]) {
    const limit = next[name];
    if (typeof limit !== "number") continue;
    if (limit <= sent.tokens) return null;
    next[name] = limit - sent.tokens;
  }
  if (typeof next.min_tokens === "number") {
    next.min_tokens = Math.max(0, next.min_tokens - sent.tokens);
  }
  const text = sent.answer.choices[0].message.content ?? "";
  if (api === "completions") {
    next.prompt = promptText(request.prompt) + text;
    return next;
  }
  const messages = [...request.messages as Json[]];
  const last = messages.at(-1)!;
  const isOpen = request.continue_final_message === true && typeof last.content === "string";
  if (isOpen) messages[messages.length - 1] = { ...last, content: last.content + text };
  else messages.push({ role: "assistant", content: text });
  next.messages = messages;
  next.continue_final_message = true;
  next.add_generation_prompt = false;
  return next;
}

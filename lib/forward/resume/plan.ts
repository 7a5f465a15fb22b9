// How a broken answer may go on: which ways are safe for this request, and what is asked of the next
// instance. Trying one after the other is left to resumption.ts, mending two streams into one to mend.ts.

import type { Api } from "../../api/api.ts";
import { type Answer, isObject, type Json } from "../../sse/assemble/answer.ts";
import { ONE_RUN_OPTIONS } from "./one_run_options.ts";
import type { TokenIds } from "./token_ids.ts";

/**
 * exact: prompt and answer so far are given back as token ids. continue: the text so far is given back
 * as an open answer. replay: asked again from the start.
 */
export type ResumeWay = "exact" | "continue" | "replay";

/** What a client already has of an answer. */
export interface Sent {
  answer: Answer;
  /** Events that carried text: as many tokens as the instances are known to have spent. */
  tokens: number;
  /** The events themselves. */
  events(): Iterable<Uint8Array>;
  /** Token ids of prompt and answer, where they were asked for. */
  ids: TokenIds | null;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * The ways that are safe, best first. Only answers with one choice can be resumed; a reasoning phase, a
 * tool call or a schema can only be replayed, where agreement with the part already sent is the proof.
 */
export function resumeWays(
  api: Api | null,
  request: Json,
  choices: number,
  sent: Sent,
): ResumeWay[] {
  if (choices !== 1 || api === null || api === "responses") return [];
  const ways: ResumeWay[] = mayContinue(api, request, sent) ? ["continue", "replay"] : ["replay"];
  return hasExact(sent) ? ["exact", ...ways] : ways;
}

/** Raw text is the answer's text only outside reasoning and tool calls. */
function hasExact({ answer, ids }: Sent): boolean {
  const message = answer.choices[0]?.message;
  return ids !== null && ids.prompt !== null && ids.shown > 0 && message !== undefined &&
    Boolean(message.content) && (message.tool_calls ?? []).length === 0;
}

function mayContinue(api: Api, request: Json, { answer }: Sent): boolean {
  if (api === "messages") return false;
  for (const name of ONE_RUN_OPTIONS) {
    const value = request[name];
    if (value !== undefined && value !== null && value !== false) return false;
  }
  const format = request.response_format;
  if (isObject(format) && format.type !== "text") return false;
  const message = answer.choices[0]?.message;
  if (message === undefined || !message.content) return false;
  if (message.reasoning || (message.tool_calls ?? []).length > 0) return false;
  if (request.tool_choice === "required" || isObject(request.tool_choice)) return false;
  if (api === "completions") return promptText(request.prompt) !== null;
  return Array.isArray(request.messages) && request.messages.length > 0;
}

function promptText(prompt: unknown): string | null {
  if (typeof prompt === "string") return prompt;
  return Array.isArray(prompt) && prompt.length === 1 && typeof prompt[0] === "string"
    ? prompt[0]
    : null;
}

/**
 * Parses a request without losing integers that JavaScript's numbers cannot hold; null for what is JSON
 * to Python only (NaN and the like).
 */
export function parseRequest(body: Uint8Array): Json | null {
  try {
    return parseExactly(body);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function parseExactly(body: Uint8Array): Json {
  return JSON.parse(
    decoder.decode(body),
    function (_key: string, value: unknown, context?: { source?: string }) {
      const inexact = typeof value === "number" && context?.source !== undefined &&
        String(value) !== context.source;
      return inexact ? rawJson(context.source!) : value;
    } as (key: string, value: unknown) => unknown,
  );
}

/** JSON.rawJSON (ES2026): a number that is written as it was read. */
function rawJson(source: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);
}

/**
 * The request that continues the answer, or null when its token limit is already spent. vLLM leaves the
 * last assistant message open with continue_final_message; add_generation_prompt must be false then.
 */
export function continuation(api: Api, request: Json, sent: Sent): Json | null {
  const next: Json = { ...request };
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

/** The bytes of a request for an instance that may know the model by another name. */
export function requestBytes(request: Json, upstreamModel: string | undefined): Uint8Array {
  const named = upstreamModel === undefined ? request : { ...request, model: upstreamModel };
  return encoder.encode(JSON.stringify(named));
}

// Anthropic's Messages API, POST /v1/messages: named events, an answer in blocks, errors of its own shape.

import { isObject, type Json, textOf } from "../json/json.ts";
import { MessagesAssembler } from "../sse/assemble/messages.ts";
import { askedByMessages } from "./asked/messages.ts";
import { promptOfMessages, systemFirst } from "./asked/prompt_messages.ts";
import { usageOf } from "./chunks.ts";
import type { Dialect, End, EndReason, StreamEvent, Text, ToldUsage } from "./dialect.ts";
import { partOf, type Path, placesIn, textAt } from "./text.ts";
import { MessagesVoice } from "./voice_messages.ts";
import { namedEvents } from "./wire.ts";

const encoder = new TextEncoder();

export const messages: Dialect = {
  name: "messages",
  path: "/v1/messages",
  choiceFields: [],
  promptFields: ["tools", "system", "messages"],
  answerLengthFields: ["max_tokens"],
  choicesOf: () => 1,
  asked: askedByMessages,
  prompt: promptOfMessages,
  promptRefused: systemFirst,
  assembler: () => new MessagesAssembler(),
  texts: textsOf,
  holdsAnswer: ({ content }) => Array.isArray(content),
  usageIn,
  errorEvent: (status, message) => namedEvents([errorOf(status, message)]),
  errorBody: (status, message) => encoder.encode(JSON.stringify(errorOf(status, message))),
  endEvents,
  // vLLM sends [DONE] as well; `message_stop` is the end for every client.
  doneEvent: null,
  resumeWays: ["continue", "replay"],
  voice: (sent) => new MessagesVoice(sent),
  keepsAnswers: false,
};

/** Anthropic's names for errors; its clients retry and speak by them. */
const ERROR_TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  529: "overloaded_error",
};

function errorOf(status: number, message: string): Json {
  const type = ERROR_TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
  return { type: "error", error: { type, message } };
}

/** The field of a delta or block that holds its words, and what they are. */
const CHANNELS = { text: "content", thinking: "reasoning", partial_json: "arguments" } as const;

function textsOf(data: Json, name?: string): Text[] {
  if (Array.isArray(data.content)) return blocksIn(data.content, []);
  const part = String(typeof data.index === "number" ? data.index : 0);
  switch (data.type ?? name) {
    case "content_block_delta":
      return isObject(data.delta) ? saidIn(data.delta, part, ["delta"]) : [];
    case "content_block_start":
      return isObject(data.content_block)
        ? blockTexts(data.content_block, part, ["content_block"])
        : [];
    case "message_start":
      return isObject(data.message) ? blocksIn(data.message.content, ["message"]) : [];
    default:
      return [];
  }
}

function blocksIn(content: unknown, path: Path): Text[] {
  return placesIn(content).flatMap(([block, at]) =>
    blockTexts(block, String(at), [...path, "content", at])
  );
}

function blockTexts(block: Json, part: string, path: Path): Text[] {
  if (block.type !== "tool_use" && block.type !== "server_tool_use") {
    return saidIn(block, part, path);
  }
  return textAt(partOf(0, "arguments", part), block.input, [...path, "input"]);
}

function saidIn(fields: Json, part: string, path: Path): Text[] {
  return Object.entries(CHANNELS).flatMap(([field, channel]) =>
    textAt(partOf(0, channel, part), fields[field], [...path, field])
  );
}

/** The prompt is told in `message_start`, the answer in `message_delta`, both in a body. */
function usageIn(data: Json): ToldUsage | null {
  const usage = isObject(data.message) ? data.message.usage : data.usage;
  if (!isObject(usage)) return null;
  const read = usage.cache_read_input_tokens;
  // Here `input_tokens` leaves out what was found in the cache, or put there.
  const input = typeof usage.input_tokens === "number"
    ? [usage.input_tokens, read, usage.cache_creation_input_tokens]
      .reduce<number>((sum, count) => sum + (typeof count === "number" ? count : 0), 0)
    : null;
  return usageOf(input, usage.output_tokens, read);
}

const STOP_REASONS: Readonly<Record<EndReason, string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
  content_filter: "refusal",
};

function endEvents({ reason, usage }: End, sent: Iterable<StreamEvent>): Uint8Array {
  let open: unknown = null;
  let ended = false;
  let figures = usage;
  for (const { data, name } of sent) {
    const type = textOf(data.type) || name;
    if (type === "content_block_start") open = data.index;
    else if (type === "content_block_stop") open = null;
    else if (type === "message_delta") ended = true;
    figures = usage ?? usageIn(data) ?? figures;
  }
  const delta = { stop_reason: STOP_REASONS[reason], stop_sequence: null };
  return namedEvents([
    ...(open === null ? [] : [{ type: "content_block_stop", index: open }]),
    ...(ended ? [] : [{
      type: "message_delta",
      delta,
      usage: { output_tokens: figures?.completionTokens ?? 0 },
    }]),
    { type: "message_stop" },
  ]);
}

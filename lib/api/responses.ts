// The Responses API, POST /v1/responses: an answer in items, each event with its place, and the whole
// response again in the last one. How an answer is closed in its middle is left to responses_end.ts.

import { openAiErrorBody } from "../http/openai_error.ts";
import { isObject, type Json, textOf } from "../json/json.ts";
import { ResponsesAssembler } from "../sse/assemble/responses.ts";
import { askedByResponses } from "./asked/responses.ts";
import { promptOfResponses } from "./asked/prompt_responses.ts";
import { usageOf } from "./chunks.ts";
import type { Channel, Dialect, Text, ToldUsage } from "./dialect.ts";
import { endEvents } from "./responses_end.ts";
import { partOf, type Path, placesIn, textAt } from "./text.ts";
import { ResponsesVoice } from "./voice_responses.ts";
import { namedEvents } from "./wire.ts";

export const responses: Dialect = {
  name: "responses",
  path: "/v1/responses",
  choiceFields: [],
  promptFields: ["instructions", "tools", "input"],
  answerLengthFields: ["max_output_tokens"],
  choicesOf: () => 1,
  asked: askedByResponses,
  prompt: promptOfResponses,
  assembler: () => new ResponsesAssembler(),
  texts: textsOf,
  // One in the background has nothing but its status yet.
  holdsAnswer: ({ output, status }) =>
    typeof status === "string" || (Array.isArray(output) && output.length > 0),
  usageIn,
  errorEvent: (status, message, param = null) =>
    namedEvents([{ type: "error", code: String(status), message, param }]),
  errorBody,
  endEvents,
  doneEvent: null,
  resumeWays: ["continue", "replay"],
  voice: (sent) => new ResponsesVoice(sent),
  keepsAnswers: true,
};

/** vLLM has a word of its own for a response that it does not keep. */
function errorBody(status: number, message: string, param: string | null = null): Uint8Array {
  const type = status === 404 && param === "response_id" ? "invalid_request_error" : null;
  return openAiErrorBody(status, message, param, type);
}

/** What the events of a text are about, by the beginning of their type. */
const CHANNELS: readonly [string, Channel, string][] = [
  ["response.output_text", "content", ""],
  ["response.refusal", "content", ""],
  ["response.reasoning_text", "reasoning", ""],
  ["response.reasoning_summary_text", "reasoning", "s"],
  ["response.reasoning", "reasoning", ""],
  ["response.function_call_arguments", "arguments", ""],
  ["response.custom_tool_call_input", "arguments", ""],
  ["response.mcp_call_arguments", "arguments", ""],
];

function textsOf(data: Json, name?: string): Text[] {
  const type = textOf(data.type) || (name ?? "");
  // A body, or an event that carries the response as it stands.
  if (Array.isArray(data.output)) return outputTexts(data.output, [], false);
  if (isObject(data.response)) return outputTexts(data.response.output, ["response"], true);
  const index = typeof data.output_index === "number" ? data.output_index : 0;
  if (isObject(data.item)) return itemTexts(data.item, index, ["item"], true);
  if (isObject(data.part)) {
    const mark = type.includes("_summary_") ? "s" : "";
    return partTexts(data.part, partName(index, mark, data), ["part"], true);
  }
  const dot = type.lastIndexOf(".");
  const known = CHANNELS.find(([beginning]) => beginning === type.slice(0, dot));
  if (known === undefined) return [];
  const [, channel, mark] = known;
  const part = channel === "arguments" ? String(index) : partName(index, mark, data);
  if (type.endsWith(".delta")) return textAt(partOf(0, channel, part), data.delta, ["delta"]);
  return ["text", "refusal", "arguments", "input"].flatMap((field) =>
    textAt(partOf(0, channel, part, true), data[field], [field])
  );
}

/** "1.0": the first part of the second item; "0.s0": the first of its summary. */
function partName(index: number, mark: string, data: Json): string {
  const at = mark === "" ? data.content_index : data.summary_index;
  return `${index}.${mark}${typeof at === "number" ? at : 0}`;
}

function outputTexts(output: unknown, path: Path, repeats: boolean): Text[] {
  return placesIn(output).flatMap(([item, at]) =>
    itemTexts(item, at, [...path, "output", at], repeats)
  );
}

function itemTexts(item: Json, index: number, path: Path, repeats: boolean): Text[] {
  const call = partOf(0, "arguments", String(index), repeats);
  const lists: [string, string][] = [["content", ""], ["summary", "s"]];
  return [
    ...lists.flatMap(([field, mark]) =>
      placesIn(item[field]).flatMap(([part, at]) =>
        partTexts(part, `${index}.${mark}${at}`, [...path, field, at], repeats)
      )
    ),
    ...textAt(call, item.arguments, [...path, "arguments"]),
    ...(item.type === "custom_tool_call" ? textAt(call, item.input, [...path, "input"]) : []),
  ];
}

function partTexts(part: Json, name: string, path: Path, repeats: boolean): Text[] {
  const isThought = part.type === "reasoning_text" || part.type === "summary_text";
  const where = partOf(0, isThought ? "reasoning" : "content", name, repeats);
  return [
    ...textAt(where, part.text, [...path, "text"]),
    ...textAt(where, part.refusal, [...path, "refusal"]),
  ];
}

function usageIn(data: Json): ToldUsage | null {
  const usage = isObject(data.response) ? data.response.usage : data.usage;
  if (!isObject(usage)) return null;
  const details = isObject(usage.input_tokens_details) ? usage.input_tokens_details : {};
  return usageOf(usage.input_tokens, usage.output_tokens, details.cached_tokens);
}

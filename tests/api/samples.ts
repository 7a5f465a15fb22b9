// One streamed answer in each API, with reasoning, content and a tool call, as vLLM words it.

import type { Json, StreamEvent } from "../../lib/api/dialect.ts";
import type { Api } from "../../lib/api/dialects.ts";

const chunk = (delta: Json, finish: string | null = null): Json => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1750000000,
  model: "m",
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
});

const text = (text: string): Json => ({
  id: "cmpl-1",
  object: "text_completion",
  created: 1750000000,
  model: "m",
  choices: [{ index: 0, text, logprobs: null, finish_reason: null }],
});

const call = { index: 0, id: "call_1", type: "function", function: { name: "f" } };
const response = { id: "resp_1", object: "response", created_at: 5, model: "m", output: [] };
const message = { id: "msg_1", type: "message", role: "assistant", content: [], model: "m" };
const callItem = { type: "function_call", id: "fc_1", call_id: "call_1", name: "f", arguments: "" };
const messageItem = { type: "message", id: "msg_1", role: "assistant", status: "in_progress" };

/** As each event of a response has them. */
function numbered(event: Json, sequence_number: number): Json {
  const ids = ["rs_1", "msg_1", "fc_1"];
  const of = typeof event.output_index !== "number" || "item" in event
    ? {}
    : { item_id: ids[event.output_index] };
  return { ...event, ...of, sequence_number };
}

const data: Readonly<Record<Api, Json[]>> = {
  chat: [
    chunk({ role: "assistant", content: "" }),
    chunk({ reasoning: "Hm" }),
    chunk({ reasoning: "m." }),
    chunk({ content: "Hel" }),
    chunk({ content: 'lo "you"' }),
    chunk({ tool_calls: [call] }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: '{"x":' } }] }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: "1}" } }] }),
  ],
  completions: [text("Hel"), text('lo "you"')],
  responses: [
    { type: "response.created", response: { ...response, status: "in_progress" } },
    {
      type: "response.output_item.added",
      output_index: 0,
      item: { type: "reasoning", id: "rs_1", summary: [], content: [] },
    },
    {
      type: "response.content_part.added",
      output_index: 0,
      content_index: 0,
      part: { type: "reasoning_text", text: "" },
    },
    { type: "response.reasoning_text.delta", output_index: 0, content_index: 0, delta: "Hm" },
    { type: "response.reasoning_text.delta", output_index: 0, content_index: 0, delta: "m." },
    { type: "response.reasoning_text.done", output_index: 0, content_index: 0, text: "Hmm." },
    {
      type: "response.content_part.done",
      output_index: 0,
      content_index: 0,
      part: { type: "reasoning_text", text: "Hmm." },
    },
    {
      type: "response.output_item.done",
      output_index: 0,
      item: {
        type: "reasoning",
        id: "rs_1",
        summary: [],
        content: [{ type: "reasoning_text", text: "Hmm." }],
      },
    },
    {
      type: "response.output_item.added",
      output_index: 1,
      item: { ...messageItem, content: [] },
    },
    {
      type: "response.content_part.added",
      output_index: 1,
      content_index: 0,
      part: { type: "output_text", text: "", annotations: [] },
    },
    { type: "response.output_text.delta", output_index: 1, content_index: 0, delta: "Hel" },
    { type: "response.output_text.delta", output_index: 1, content_index: 0, delta: 'lo "you"' },
    {
      type: "response.output_item.done",
      output_index: 1,
      item: {
        ...messageItem,
        status: "completed",
        content: [{ type: "output_text", text: 'Hello "you"', annotations: [] }],
      },
    },
    { type: "response.output_item.added", output_index: 2, item: callItem },
    { type: "response.function_call_arguments.delta", output_index: 2, delta: '{"x":' },
    { type: "response.function_call_arguments.delta", output_index: 2, delta: "1}" },
  ].map(numbered),
  messages: [
    {
      type: "message_start",
      message: { ...message, usage: { input_tokens: 3, output_tokens: 0 } },
    },
    { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Hm" } },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "m." } },
    { type: "content_block_stop", index: 0 },
    { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "Hel" } },
    { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: 'lo "you"' } },
    { type: "content_block_stop", index: 1 },
    {
      type: "content_block_start",
      index: 2,
      content_block: { type: "tool_use", id: "call_1", name: "f", input: {} },
    },
    {
      type: "content_block_delta",
      index: 2,
      delta: { type: "input_json_delta", partial_json: '{"x":' },
    },
    {
      type: "content_block_delta",
      index: 2,
      delta: { type: "input_json_delta", partial_json: "1}" },
    },
  ],
};

/** The events of an answer in `api` up to its end, which is left out. */
export function answerIn(api: Api): StreamEvent[] {
  return data[api].map((event) =>
    typeof event.type === "string" ? { name: event.type, data: event } : { data: event }
  );
}

/** The same with a whole body for an answer. */
export const bodies: Readonly<Record<Api, Json>> = {
  chat: {
    id: "chatcmpl-1",
    choices: [{
      index: 0,
      message: {
        role: "assistant",
        content: 'Hello "you"',
        reasoning: "Hmm.",
        tool_calls: [{ id: "call_1", function: { name: "f", arguments: '{"x":1}' } }],
      },
      finish_reason: "tool_calls",
    }],
    usage: {
      prompt_tokens: 30,
      completion_tokens: 7,
      total_tokens: 37,
      prompt_tokens_details: { cached_tokens: 16 },
    },
  },
  completions: {
    id: "cmpl-1",
    choices: [{ index: 0, text: 'Hello "you"', finish_reason: "stop" }],
    usage: {
      prompt_tokens: 30,
      completion_tokens: 7,
      total_tokens: 37,
      prompt_tokens_details: { cached_tokens: 16 },
    },
  },
  responses: {
    ...response,
    status: "completed",
    output: [
      { type: "reasoning", content: [{ type: "reasoning_text", text: "Hmm." }] },
      { ...messageItem, content: [{ type: "output_text", text: 'Hello "you"' }] },
      { ...callItem, arguments: '{"x":1}' },
    ],
    usage: {
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 16 },
      output_tokens: 7,
      total_tokens: 37,
    },
  },
  messages: {
    ...message,
    content: [
      { type: "thinking", thinking: "Hmm.", signature: "s" },
      { type: "text", text: 'Hello "you"' },
      { type: "tool_use", id: "call_1", name: "f", input: { x: 1 } },
    ],
    stop_reason: "tool_use",
    usage: { input_tokens: 14, cache_read_input_tokens: 16, output_tokens: 7 },
  },
};

// Answers of the Responses and Messages APIs put together.

import assert from "node:assert/strict";
import { dialects } from "../../../lib/api/dialects.ts";
import { assemble } from "../../../lib/sse/assemble/assemble.ts";
import { bytesOf, named, storeOf } from "../../record/samples.ts";

const output = [
  { type: "reasoning", id: "rs", summary: [], content: [{ type: "reasoning_text", text: "Hm" }] },
  { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] },
  { type: "function_call", id: "fc", call_id: "call", name: "f", arguments: '{"x":1}' },
];
const response = {
  id: "resp",
  object: "response",
  created_at: 5,
  model: "m",
  status: "completed",
  error: null,
  output,
  usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 },
};
const message = {
  role: "assistant",
  content: "Hello",
  reasoning: "Hm",
  tool_calls: [{ id: "call", type: "function", function: { name: "f", arguments: '{"x":1}' } }],
};

/** The events up to the last one, with deltas only. */
const deltas = [
  named("response.created", { response: { ...response, status: "in_progress", output: [] } }),
  named("response.output_item.added", { output_index: 0, item: { type: "reasoning", id: "rs" } }),
  named("response.reasoning_text.delta", { output_index: 0, delta: "H" }),
  named("response.reasoning_text.delta", { output_index: 0, delta: "m" }),
  named("response.output_item.done", { output_index: 0, item: output[0] }),
  named("response.output_item.added", { output_index: 1, item: { type: "message", content: [] } }),
  named("response.output_text.delta", { output_index: 1, delta: "Hel" }),
  named("response.output_text.delta", { output_index: 1, delta: "lo" }),
  named("response.output_item.added", {
    output_index: 2,
    item: { type: "function_call", call_id: "call", name: "f", arguments: "" },
  }),
  named("response.function_call_arguments.delta", { output_index: 2, delta: '{"x"' }),
  named("response.function_call_arguments.delta", { output_index: 2, delta: ":1}" }),
];

Deno.test("a response comes together from its body and from its last event", () => {
  const whole = assemble(dialects.responses.assembler(), bytesOf(response));
  assert.deepEqual(whole.choices, [{ index: 0, message, finishReason: "tool_calls" }]);
  assert.deepEqual(whole.usage, response.usage);
  assert.equal(whole.created, 5);
  assert.equal(whole.complete, true);
  const streamed = assemble(
    dialects.responses.assembler(),
    storeOf([...deltas, named("response.completed", { response })]),
  );
  assert.deepEqual(streamed, whole);
});

Deno.test("a response that broke off is put together from its deltas, and is not complete", () => {
  const answer = assemble(dialects.responses.assembler(), storeOf(deltas));
  assert.deepEqual(answer.choices, [{ index: 0, message, finishReason: null }]);
  assert.equal(answer.id, "resp");
  assert.equal(answer.complete, false);
});

Deno.test("the ends of responses have the names of chat completions", () => {
  const ends = [
    [{ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }, "length", true],
    [{ status: "incomplete", incomplete_details: { reason: "filter" } }, "filter", true],
    [{ status: "failed", error: { message: "boom" } }, "error", false],
    [{ status: "cancelled" }, "abort", false],
    [{ status: "queued" }, "abort", false],
  ] as const;
  for (const [fields, finish, complete] of ends) {
    const answer = assemble(
      dialects.responses.assembler(),
      bytesOf({ ...response, output: [output[1]], ...fields }),
    );
    assert.equal(answer.choices[0].finishReason, finish);
    assert.equal(answer.complete, complete);
  }
});

Deno.test("a response's error event is an error", () => {
  const answer = assemble(
    dialects.responses.assembler(),
    storeOf([...deltas, named("error", { message: "boom" })]),
  );
  assert.equal(answer.error, "boom");
});

Deno.test("output items of other kinds are kept", () => {
  const search = { type: "web_search_call", id: "ws" };
  const answer = assemble(
    dialects.responses.assembler(),
    bytesOf({ ...response, output: [search, output[1]] }),
  );
  assert.deepEqual(answer.choices[0].message.output_items, [search]);
});

const anthropic = {
  id: "msg",
  type: "message",
  role: "assistant",
  model: "m",
  content: [
    { type: "thinking", thinking: "Hm", signature: "" },
    { type: "text", text: "Hello" },
    { type: "tool_use", id: "call", name: "f", input: { x: 1 } },
  ],
  stop_reason: "tool_use",
  usage: { input_tokens: 1, output_tokens: 2 },
};

const blocks = [
  named("message_start", {
    message: { ...anthropic, content: [], stop_reason: null, usage: { input_tokens: 1 } },
  }),
  named("content_block_start", { index: 0, content_block: { type: "thinking", thinking: "" } }),
  named("content_block_delta", { index: 0, delta: { type: "thinking_delta", thinking: "Hm" } }),
  named("content_block_stop", { index: 0 }),
  named("ping", {}),
  named("content_block_start", { index: 1, content_block: { type: "text", text: "" } }),
  named("content_block_delta", { index: 1, delta: { type: "text_delta", text: "Hel" } }),
  named("content_block_delta", { index: 1, delta: { type: "text_delta", text: "lo" } }),
  named("content_block_start", {
    index: 2,
    content_block: { type: "tool_use", id: "call", name: "f", input: {} },
  }),
  named("content_block_delta", {
    index: 2,
    delta: { type: "input_json_delta", partial_json: '{"x"' },
  }),
  named("content_block_delta", {
    index: 2,
    delta: { type: "input_json_delta", partial_json: ":1}" },
  }),
];

Deno.test("a message of Anthropic's API comes together from its body and its events", () => {
  const whole = assemble(dialects.messages.assembler(), bytesOf(anthropic));
  assert.deepEqual(whole.choices, [{ index: 0, message, finishReason: "tool_calls" }]);
  assert.deepEqual(whole.usage, { input_tokens: 1, output_tokens: 2 });
  assert.equal(whole.complete, true);
  const end = [
    named("message_delta", { delta: { stop_reason: "tool_use" }, usage: { output_tokens: 2 } }),
    named("message_stop", {}),
  ];
  assert.deepEqual(assemble(dialects.messages.assembler(), storeOf([...blocks, ...end])), whole);
});

Deno.test("a message that broke off or failed is not complete", () => {
  const cut = assemble(dialects.messages.assembler(), storeOf(blocks));
  assert.deepEqual(cut.choices, [{ index: 0, message, finishReason: null }]);
  assert.equal(cut.complete, false);
  const failed = assemble(
    dialects.messages.assembler(),
    storeOf([...blocks, named("error", { error: { type: "overloaded_error", message: "busy" } })]),
  );
  assert.equal(failed.error, "busy");
  const body = assemble(
    dialects.messages.assembler(),
    bytesOf({ type: "error", error: { message: "busy" } }),
  );
  assert.deepEqual([body.error, body.choices], ["busy", []]);
});

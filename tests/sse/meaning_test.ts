// What events mean in the forms in which servers send them.

import assert from "node:assert/strict";
import * as flags from "../../lib/sse/flags.ts";
import { endedChoices, meaningOf } from "../../lib/sse/meaning.ts";

const { ABORT, APART, DONE, EMPTY, ERROR, FINISH, MALFORMED } = flags;
const { HOLLOW, OPENING, PLAIN, SILENT, STOPPING, USAGE } = flags;

const chunk = (choice: object, more: object = {}) =>
  JSON.stringify({ id: "x", choices: [{ index: 0, finish_reason: null, ...choice }], ...more });
const typed = (type: string, more: object = {}) => JSON.stringify({ type, ...more });

function expect(want: number, ...events: (string | [name: string, data: string])[]): void {
  for (const event of events) {
    const [name, data] = typeof event === "string" ? ["", event] : event;
    assert.equal(meaningOf(name, data), want, `${name} ${data}`);
  }
}

Deno.test("a finish reason of no words is no finish", () => {
  for (const reason of [null, undefined, "", "null", " ", "None", false, 0]) {
    expect(PLAIN, chunk({ delta: { content: "a" }, finish_reason: reason }));
    expect(SILENT, chunk({ delta: {}, finish_reason: reason }));
  }
  for (const reason of ["stop", "length", "tool_calls", "repetition", "content_filter"]) {
    expect(FINISH, chunk({ delta: {}, finish_reason: reason }));
  }
  expect(ABORT, chunk({ delta: {}, finish_reason: "abort" }), chunk({ finish_reason: "error" }));
});

Deno.test("a delta that says nothing is told from one that does", () => {
  const silent: object[] = [
    { content: "" },
    { content: null },
    { tool_calls: [] },
    { tool_calls: null, reasoning_content: "", content: "" },
    { tool_calls: [{ index: 0, id: "", type: "function", function: { name: "", arguments: "" } }] },
    { content: [{ type: "text", text: "" }] },
  ];
  for (const delta of silent) {
    expect(SILENT, chunk({ delta }), chunk({ delta, token_ids: [], logprobs: null }));
    expect(OPENING, chunk({ delta: { role: "assistant", ...delta } }));
  }
  expect(SILENT, chunk({ text: "" }), chunk({}), chunk({ delta: null }), '{"choices":[]}');
  const says: object[] = [
    { role: "assistant", content: "a" },
    { content: " " },
    { reasoning: "a" },
    { reasoning_content: "a", content: null },
    { tool_calls: [{ index: 0, id: "call_1", type: "function", function: { arguments: "" } }] },
    { tool_calls: [{ index: 0, function: { arguments: "{" } }] },
    { function_call: { arguments: "{" } },
    { refusal: "no" },
    { content: [{ type: "text", text: "a" }] },
  ];
  for (const delta of says) expect(PLAIN, chunk({ delta }), chunk({ message: delta }));
  expect(PLAIN, chunk({ text: "a" }));
});

Deno.test("a token that is a part of a character has an id or a probability, and no text", () => {
  expect(PLAIN, chunk({ delta: { content: "" }, token_ids: [7] }));
  expect(PLAIN, chunk({ delta: { content: "" }, logprobs: { content: [{ token: "\\xe4" }] } }));
  expect(PLAIN, chunk({ text: "", logprobs: { tokens: ["x"], token_logprobs: [-1] } }));
});

Deno.test("usage is seen where it stands, and alone it is no token", () => {
  const usage = { prompt_tokens: 1 };
  expect(USAGE | APART, JSON.stringify({ choices: [], usage }), JSON.stringify({ usage }));
  expect(USAGE | PLAIN, chunk({ delta: { content: "a" } }, { usage }));
  expect(USAGE | SILENT, chunk({ delta: { content: "" } }, { usage }));
  expect(PLAIN, chunk({ delta: { content: "a" } }, { usage: null }));
  expect(USAGE | OPENING, typed("message_start", { message: { usage } }));
  expect(USAGE | FINISH, typed("response.completed", { response: { usage } }));
});

Deno.test("an error field that names no error is none", () => {
  for (const error of [null, "", "null", false, 0, {}, [], { message: "", code: null, type: "" }]) {
    expect(PLAIN, chunk({ delta: { content: "a" } }, { error }));
    expect(FINISH, chunk({ delta: {}, finish_reason: "stop" }, { error }));
    expect(SILENT, JSON.stringify({ error }));
  }
});

Deno.test("an error is seen in every form", () => {
  expect(
    ERROR,
    '{"error":{"message":"m","code":500}}',
    '{"error":"overloaded"}',
    '{"error":true}',
    '{"error":{"code":1}}',
    chunk({ delta: { content: "" }, finish_reason: "error" }, { error: { message: "m" } }),
    '{"object":"error","message":"m"}',
    '{"type":"error","error":{"type":"overloaded_error"}}',
    '{"type":"error","code":"x","message":"m"}',
    typed("response.failed", { response: { error: { message: "m" } } }),
    typed("response.completed", { response: { status: "failed" } }),
    ["error", "not JSON"],
    ["error", ""],
    ["error", '{"message":"m"}'],
    ["message", '{"error":"m"}'],
    ["response.failed", "{}"],
  );
});

Deno.test("the type of an event is its name, or else what its data says", () => {
  for (const type of ["response.completed", "response.incomplete", "message_stop"]) {
    expect(FINISH, [type, typed(type)], typed(type), ["message", typed(type)], [`${type} `, "{}"]);
  }
  const delta = "response.output_text.delta";
  expect(PLAIN, typed(delta, { delta: "a" }), [delta, '{"delta":"a"}'], [
    "message",
    typed(delta, { delta: "a" }),
  ]);
  expect(SILENT, typed(delta, { delta: "" }), [delta, '{"delta":""}']);
  const text = { delta: { type: "text_delta", text: "a" } };
  expect(PLAIN, typed("content_block_delta", text), ["content_block_delta", JSON.stringify(text)]);
  expect(
    ABORT,
    typed("response.cancelled"),
    typed("response.completed", { response: { status: "cancelled" } }),
  );
  for (const name of ["message", "", "chat.completion.chunk", "chunk"]) {
    expect(PLAIN, [name, chunk({ delta: { content: "a" } })]);
    expect(FINISH, [name, chunk({ delta: {}, finish_reason: "stop" })]);
    expect(DONE, [name, "[DONE]"]);
  }
});

Deno.test("what opens, closes or keeps an answer open is no token", () => {
  expect(OPENING, typed("response.created", { response: {} }), typed("response.in_progress"));
  expect(OPENING, ["ping", "{}"], typed("ping"), ["ping", "now"], [
    "keepalive",
    typed("keepalive"),
  ]);
  expect(SILENT, typed("content_block_stop", { index: 0 }));
  expect(SILENT, typed("content_block_start", { content_block: { type: "text", text: "" } }));
  expect(APART, typed("content_block_start", { content_block: { type: "tool_use", name: "f" } }));
  expect(SILENT, typed("response.output_item.added", { item: { type: "message", id: "m" } }));
  expect(
    APART,
    typed("response.output_item.added", { item: { type: "function_call", name: "f" } }),
  );
  expect(APART, typed("response.output_text.done", { text: "a" }));
  expect(SILENT, typed("response.web_search_call.searching"));
});

Deno.test("the reason of a message's end comes before its end", () => {
  const delta = (stop_reason: unknown) => typed("message_delta", { delta: { stop_reason } });
  expect(STOPPING, delta("end_turn"), delta("max_tokens"));
  expect(ABORT, delta(null), delta(""), delta("null"));
  expect(SILENT, typed("message_delta", { delta: {} }));
  expect(ABORT, delta("abort"), delta("error"));
});

Deno.test("an end of an answer without a token says that there was none", () => {
  const delta = { stop_reason: "end_turn" };
  const usage = { output_tokens: 0 };
  expect(USAGE | STOPPING | HOLLOW, typed("message_delta", { delta, usage }));
  expect(USAGE | STOPPING, typed("message_delta", { delta, usage: { output_tokens: 1 } }));
  const completed = (response: object) => typed("response.completed", { response });
  expect(FINISH | HOLLOW, completed({ status: "completed", output: [] }));
  expect(USAGE | FINISH | HOLLOW, completed({ output: [{ type: "message" }], usage }));
  expect(FINISH, completed({ status: "completed", output: [{ type: "message" }] }), completed({}));
  expect(FINISH, typed("response.incomplete", { response: { status: "incomplete", output: [] } }));
});

Deno.test("what stands in place of a chunk and is none costs nothing", () => {
  expect(EMPTY, "null", "false", "0", '""', "[]", "", " ");
  expect(SILENT, "{}", ["progress", "50 %"], ["progress", '{"done":50}']);
  expect(MALFORMED, "nonsense", '{"choices":[', "7", '"text"', '[{"a":1}]', [
    "message",
    "nonsense",
  ]);
  expect(MALFORMED, ["response.completed", '{"type":"resp']);
  expect(DONE, "[DONE]", " [DONE] ", "[DONE]\n");
});

Deno.test("values nested without end neither count nor take the stack", () => {
  const deep = "[".repeat(50_000) + "]".repeat(50_000);
  expect(SILENT, `{"choices":[{"delta":{"content":${deep}}}]}`, `{"error":${deep}}`);
});

Deno.test("the choices that end in an event are told by their index", () => {
  const ended = (index: unknown, finish_reason: unknown = "stop") => ({ index, finish_reason });
  assert.deepEqual(endedChoices({ choices: [ended(1), ended(3), ended(2, "")] }), [1, 3]);
  assert.deepEqual(endedChoices({ choices: [ended(undefined)] }), [-1]);
  assert.deepEqual(endedChoices({ type: "message_stop" }), [-1]);
});

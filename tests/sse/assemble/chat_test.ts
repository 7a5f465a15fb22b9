// Chat completions put together from what servers really send.

import assert from "node:assert/strict";
import { dialects } from "../../../lib/api/dialects.ts";
import { assemble } from "../../../lib/sse/assemble/assemble.ts";
import { bytesOf, chunk, completion, storeOf } from "../../record/samples.ts";

function streamed(...events: unknown[]) {
  return assemble(dialects.chat.assembler(), storeOf([...events, "data: [DONE]"]));
}

/** A chunk with one tool call delta. */
function call(delta: object) {
  return chunk({ tool_calls: [delta] });
}

Deno.test("content comes together, with role, id, model, time and finish reason", () => {
  const answer = streamed(
    chunk({ role: "assistant", content: "" }),
    chunk({ content: "Hel" }),
    chunk({ content: "lo" }),
    chunk({}, "stop"),
  );
  assert.deepEqual(answer, {
    choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finishReason: "stop" }],
    usage: null,
    id: "chatcmpl-1",
    model: "m",
    created: 1750000000,
    error: undefined,
    malformed: 0,
    complete: true,
  });
});

Deno.test("null, missing and empty content add nothing", () => {
  const answer = streamed(
    chunk({ role: "assistant", content: null }),
    chunk({}),
    chunk({ content: "" }),
    chunk({ content: "a" }),
    { ...chunk({}), choices: [{ index: 0, finish_reason: null }] },
    { ...chunk({}), choices: [{ index: 0, delta: null, finish_reason: "stop" }] },
  );
  assert.equal(answer.choices[0].message.content, "a");
  assert.equal(answer.complete, true);
});

Deno.test("reasoning is kept under both of its names, and not twice", () => {
  const old = streamed(chunk({ reasoning_content: "Hm" }), chunk({ content: "a" }, "stop"));
  assert.equal(old.choices[0].message.reasoning, "Hm");
  const both = streamed(
    chunk({ reasoning: "Hm", reasoning_content: "Hm" }),
    chunk({ reasoning: "!", reasoning_content: "!" }),
    chunk({ content: "a" }, "stop"),
  );
  assert.equal(both.choices[0].message.reasoning, "Hm!");
  assert.equal("reasoning_content" in both.choices[0].message, false);
  const whole = assemble(
    dialects.chat.assembler(),
    bytesOf(completion({ content: "a", reasoning: "Hm", reasoning_content: "Hm" })),
  );
  assert.equal(whole.choices[0].message.reasoning, "Hm");
});

Deno.test("tool calls are merged by index, interleaved or not", () => {
  const answer = streamed(
    call({ index: 0, id: "a", type: "function", function: { name: "f", arguments: "" } }),
    call({ index: 1, id: "b", type: "function", function: { name: "g", arguments: '{"y"' } }),
    call({ index: 0, function: { arguments: '{"x":' } }),
    call({ index: 1, function: { arguments: ":2}" } }),
    call({ index: 0, function: { arguments: "1}" } }),
    chunk({}, "tool_calls"),
  );
  assert.deepEqual(answer.choices[0].message, {
    role: "assistant",
    content: null,
    tool_calls: [
      { id: "a", type: "function", function: { name: "f", arguments: '{"x":1}' } },
      { id: "b", type: "function", function: { name: "g", arguments: '{"y":2}' } },
    ],
  });
});

Deno.test("tool calls survive the habits of servers", () => {
  const calls = (...deltas: object[]) =>
    streamed(...deltas.map(call), chunk({}, "tool_calls")).choices[0].message.tool_calls?.map(
      ({ id, function: { name, arguments: given } }) => [id, name, given],
    );
  // The id is repeated, empty or in full, and the name with it.
  assert.deepEqual(
    calls(
      { index: 0, id: "a", function: { name: "f", arguments: "{" } },
      { index: 0, id: "", function: { name: "f", arguments: "" } },
      { index: 0, id: "a", function: { name: null, arguments: "}" } },
    ),
    [["a", "f", "{}"]],
  );
  // The whole call at once, its arguments as an object.
  assert.deepEqual(calls({ index: 0, id: "a", function: { name: "f", arguments: { x: 1 } } }), [
    ["a", "f", '{"x":1}'],
  ]);
  // Every call has the index 0.
  assert.deepEqual(
    calls(
      { index: 0, id: "a", function: { name: "f", arguments: "{}" } },
      { index: 0, id: "b", function: { name: "f", arguments: "[]" } },
    ),
    [["a", "f", "{}"], ["b", "f", "[]"]],
  );
  // No index at all.
  assert.deepEqual(
    calls(
      { id: "a", function: { name: "f", arguments: "{" } },
      { function: { arguments: "}" } },
      { id: "b", function: { name: "g", arguments: "{}" } },
    ),
    [["a", "f", "{}"], ["b", "g", "{}"]],
  );
});

Deno.test("whole tool calls that all bear index 0 and no id are as many calls", () => {
  const calls = (...deltas: object[]) =>
    streamed(...deltas.map(call), chunk({}, "tool_calls")).choices[0].message.tool_calls?.map(
      ({ function: { name, arguments: given } }) => [name, given],
    );
  const whole = (name: string, given: unknown) => (
    { index: 0, type: "function", function: { name, arguments: given } }
  );
  assert.deepEqual(
    calls(whole("first", '{"x":1}'), whole("second", '{"y":2}'), whole("third", "{}")),
    [["first", '{"x":1}'], ["second", '{"y":2}'], ["third", "{}"]],
  );
  // One function twice, its arguments as texts and as objects.
  assert.deepEqual(calls(whole("f", '{"x":1}'), whole("f", '{"x":2} ')), [
    ["f", '{"x":1}'],
    ["f", '{"x":2} '],
  ]);
  assert.deepEqual(calls(whole("f", { x: 1 }), whole("f", { x: 1 })), [
    ["f", '{"x":1}'],
    ["f", '{"x":1}'],
  ]);
  // Another name behind arguments that have begun belongs to another call, whole or not.
  assert.deepEqual(calls(whole("f", '{"x":'), whole("g", "{}")), [["f", '{"x":'], ["g", "{}"]]);
  // An id that came late does not join two calls.
  assert.deepEqual(calls(whole("f", "{}"), { ...whole("f", "[]"), id: "b" }), [
    ["f", "{}"],
    ["f", "[]"],
  ]);
});

Deno.test("fragments of one tool call that repeat its name stay one", () => {
  const calls = (...pieces: [string | null, string][]) =>
    streamed(
      ...pieces.map(([name, given]) => call({ index: 0, function: { name, arguments: given } })),
      chunk({}, "tool_calls"),
    ).choices[0].message.tool_calls?.map((
      { function: { name, arguments: given } },
    ) => [name, given]);
  assert.deepEqual(calls(["f", ""], ["f", '{"x":'], ["f", '{"y":1}'], ["f", "}"], ["f", ""]), [
    ["f", '{"x":{"y":1}}'],
  ]);
  assert.deepEqual(calls(["get_", ""], ["weather", ""], [null, "{}"]), [["get_weather", "{}"]]);
});

Deno.test("several choices that interleave stay apart", () => {
  const answer = streamed(
    chunk({ role: "assistant", content: "" }, null, 1),
    chunk({ role: "assistant", content: "" }, null, 0),
    chunk({ content: "b" }, null, 1),
    chunk({ content: "a" }, null, 0),
    chunk({ content: "a" }, "stop", 0),
    chunk({ content: "b" }, "length", 1),
  );
  assert.deepEqual(
    answer.choices.map(({ index, message, finishReason }) => [
      index,
      message.content,
      finishReason,
    ]),
    [[0, "aa", "stop"], [1, "bb", "length"]],
  );
});

Deno.test("the last usage counts, alone or in every chunk", () => {
  const answer = streamed(
    { ...chunk({ content: "a" }), usage: { completion_tokens: 1 } },
    { ...chunk({}, "stop"), usage: { completion_tokens: 2 } },
    { ...chunk({}), choices: [], usage: { completion_tokens: 3 } },
  );
  assert.deepEqual(answer.usage, { completion_tokens: 3 });
});

Deno.test("fields that nobody knows yet are kept, in streams and bodies", () => {
  const answer = streamed(
    chunk({ audio: { id: "au", transcript: "a" }, notes: [{ n: 1 }] }),
    chunk({ audio: { transcript: "b" }, notes: [{ n: 2 }], refusal: null }),
    chunk({}, "stop"),
  );
  const { audio, notes } = answer.choices[0].message;
  assert.deepEqual({ audio, notes }, {
    audio: { id: "au", transcript: "ab" },
    notes: [{ n: 1 }, { n: 2 }],
  });
  const whole = assemble(
    dialects.chat.assembler(),
    bytesOf(completion({ content: "a", annotations: [{ n: 1 }] })),
  );
  assert.deepEqual(whole.choices[0].message.annotations, [{ n: 1 }]);
});

Deno.test("a list goes on with more entries than a call takes arguments", () => {
  const entries = Array(300_000).fill(1);
  const answer = streamed(chunk({ more: [1] }), chunk({ more: entries }), chunk({}, "stop"));
  assert.equal((answer.choices[0].message.more as number[]).length, 300_001);
});

Deno.test("a field called __proto__ changes nothing but itself", () => {
  const delta =
    '{"choices":[{"index":0,"delta":{"__proto__":{"polluted":1}},"finish_reason":"stop"}]}';
  const answer = assemble(dialects.chat.assembler(), storeOf([`data: ${delta}`]));
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  assert.equal(answer.complete, true);
});

Deno.test("an error event makes the answer incomplete, in all of its shapes", () => {
  const errors = [
    { error: { message: "boom", type: "InternalServerError", code: 500 } },
    { object: "error", message: "boom", type: "x", code: 500 },
    { error: "boom" },
  ];
  for (const error of errors) {
    const answer = streamed(chunk({ content: "a" }), chunk({}, "stop"), error);
    assert.equal(answer.error, "boom");
    assert.equal(answer.complete, false);
    assert.equal(answer.choices[0].message.content, "a");
  }
});

Deno.test("abort, error and no finish reason at all are no end", () => {
  for (const reason of ["abort", "error", null]) {
    assert.equal(streamed(chunk({ content: "a" }), chunk({}, reason)).complete, false);
  }
  assert.equal(streamed(chunk({}, "stop", 0), chunk({ content: "b" }, null, 1)).complete, false);
  assert.equal(streamed().complete, false);
});

Deno.test("events that are no JSON are counted and cost nothing else", () => {
  const answer = streamed(chunk({ content: "a" }), "data: {bro", "data: 7", chunk({}, "stop"));
  assert.equal(answer.malformed, 2);
  assert.equal(answer.choices[0].message.content, "a");
});

Deno.test("a body is read like a stream, also one that is a stream nobody asked for", () => {
  const calls = [{ id: "a", type: "function", function: { name: "f", arguments: "{}" } }];
  const body = assemble(
    dialects.chat.assembler(),
    bytesOf(completion({ content: null, tool_calls: calls })),
  );
  assert.deepEqual(body.choices[0].message, {
    role: "assistant",
    content: null,
    tool_calls: calls,
  });
  assert.deepEqual(body.usage, { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 });
  const text = `data: ${JSON.stringify(chunk({ content: "a" }, "stop"))}\n\ndata: [DONE]\n\n`;
  assert.equal(assemble(dialects.chat.assembler(), bytesOf(text)).choices[0].message.content, "a");
});

Deno.test("no answer, and one that is no JSON, are answers without choices", () => {
  for (const response of [null, bytesOf(""), bytesOf("<html>")]) {
    const answer = assemble(dialects.chat.assembler(), response);
    assert.deepEqual(answer.choices, []);
    assert.equal(answer.complete, false);
  }
});

Deno.test("text completions come together for each prompt and choice", () => {
  const text = (index: number, text: string, finish_reason: string | null) => ({
    id: "cmpl-1",
    choices: [{ index, text, finish_reason }],
  });
  const events = [
    text(0, "a", null),
    text(1, "b", null),
    text(0, "a", "stop"),
    text(1, "", "length"),
  ];
  const answer = assemble(dialects.completions.assembler(), storeOf(events));
  assert.deepEqual(answer.choices.map((choice) => choice.message.content), ["aa", "b"]);
  assert.equal(answer.complete, true);
  assert.equal(answer.id, "cmpl-1");
});

Deno.test("an error field that says nothing is no error", () => {
  for (const error of [null, "", false, {}]) {
    const answer = streamed({ ...chunk({ content: "a" }), error }, { ...chunk({}, "stop"), error });
    assert.deepEqual([answer.error, answer.complete], [undefined, true]);
  }
});

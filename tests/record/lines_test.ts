// What holds for every line of records, whatever it tells: keys and types, characters, ends, numbers.

import assert from "node:assert/strict";
import { recordLine } from "../../lib/record/json_text.ts";
import { recordsOf } from "../../lib/record/record.ts";
import { dialects } from "../../lib/api/dialects.ts";
import { assemble } from "../../lib/sse/assemble/assemble.ts";
import type { EventStore } from "../../lib/sse/event_store.ts";
import { bytesOf, capture, chunk, completion, storeOf } from "./samples.ts";
import { assistant, called, type Line, metaOf, records, user } from "./read_records.ts";

Deno.test("a record has what a loader and a reader need", () => {
  const request = { messages: [user("Hi")], temperature: 0.5, max_tokens: 9, seed: 1, user: "u" };
  const { complete, lines } = records(request, completion({ content: "Ho" }));
  assert.equal(complete, true);
  assert.deepEqual(lines.map((line) => ({ ...line, meta: metaOf(line) })), [{
    id: "chatcmpl-1",
    conversations: [{ from: "human", value: "Hi" }, { from: "gpt", value: "Ho" }],
    tools: "",
    model: "m",
    created: 1750000000,
    meta: {
      instance: "gpu-1",
      api: "chat",
      request_id: "req-1",
      stream: false,
      client: "127.0.0.1",
      sampling: { temperature: 0.5, max_tokens: 9, seed: 1 },
      usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
      finish_reason: "stop",
      started_at: "2026-01-01T12:00:00.000Z",
      first_byte_ms: 10,
      duration_ms: 20,
    },
  }]);
});

Deno.test("attempts and resumptions are told where there were some", () => {
  const attempts = [{ instance: "a", error: "refused" }, { instance: "b", status: 200 }];
  const resumed = [{ from: "a", to: "b", way: "continue", atChars: 3 }];
  const { lines } = records({ messages: [user("Hi")] }, completion({ content: "Ho" }), {
    attempts,
    resumed,
  });
  assert.deepEqual(metaOf(lines[0]).attempts, attempts);
  assert.deepEqual(metaOf(lines[0]).resumed, resumed);
});

Deno.test("only answers with a real end are complete, whatever the outcome says", () => {
  const request = { messages: [user("Hi")] };
  const complete = (response: object | EventStore | null) => records(request, response).complete;
  assert.equal(complete(completion({ content: "a" })), true);
  assert.equal(complete(completion({ content: "a" }, "abort")), false);
  assert.equal(complete(storeOf([chunk({ content: "a" })])), false);
  assert.equal(complete(storeOf([chunk({ content: "a" }, "stop"), "data: {bro"])), false);
  assert.equal(complete({ error: "Unauthorized" }), false);
  assert.equal(complete(null), false);
});

Deno.test("a request that is no JSON is still a line, with what is known of it", () => {
  const made = { ...capture({}, null, { outcome: "failed", error: "down" }) };
  made.requestBody = new Uint8Array([0xff, 0x7b]);
  const { complete, lines } = recordsOf(
    made,
    assemble(dialects.chat.assembler(), null),
    "sharegpt",
  );
  assert.equal(complete, false);
  assert.deepEqual((lines[0] as Line).conversations, [{ from: "human", value: "" }]);
  assert.equal(metaOf(lines[0]).error, "down");
});

Deno.test("vLLM's benchmark finds a prompt and an answer in each record", () => {
  const { lines } = records({ messages: [user("Hi")] }, completion({ content: "Ho" }));
  const entries = JSON.parse(JSON.stringify(lines)) as Line[];
  const usable = entries.filter((entry) => entry.conversations.length >= 2);
  assert.deepEqual(usable.map((entry) => entry.conversations.slice(0, 2)), [
    [{ from: "human", value: "Hi" }, { from: "gpt", value: "Ho" }],
  ]);
});

/** The types of a line's values, with the keys of the objects in its lists. */
function shapeOf(line: Line): string {
  return JSON.stringify(
    Object.entries(line).map(([key, value]) => [
      key,
      Array.isArray(value)
        ? [...new Set(value.map((one) => JSON.stringify(Object.entries(one).map(typed))))]
        : typeof value,
    ]),
  );
}

function typed([key, value]: [string, unknown]): string[] {
  return [key, value === null ? "null" : typeof value];
}

Deno.test("all lines have the same keys with values of the same types", () => {
  const tools = [{ type: "function", function: { name: "f" } }];
  const image = { type: "image_url", image_url: { url: "https://x/a.png" } };
  const text = { api: "completions" } as const;
  const cut = storeOf([chunk({ content: "a" })]);
  const usual = completion({ content: "a" });
  const all = [
    records({ messages: [user("Hi")] }, usual),
    records({ messages: [user([image])], tools, temperature: 1 }, usual),
    records({ messages: [user("x?")] }, completion({ content: null, ...called(["f", "{}"]) })),
    records({ messages: [] }, usual),
    records({}, null, { outcome: "failed", error: "down" }),
    records({ messages: [user("Hi")] }, cut, { outcome: "aborted", firstByteMs: null }),
    records({ prompt: [1, 2] }, { choices: [{ text: "a", finish_reason: "stop" }] }, text),
    records({ messages: [user("Hi")] }, { ...usual, created: 1.5e9 + 0.25, id: 7 }),
    records({ messages: [user("Hi")] }, { ...usual, created: 1e300, usage: null }),
    records({ messages: [user("Hi")] }, usual, { model: "m".repeat(8_000_000) }),
  ];
  const shapes = all.flatMap(({ lines }) => lines).map(shapeOf);
  assert.deepEqual(new Set(shapes), new Set([shapes[0]]));
  for (const { lines: [line] } of all) {
    assert.ok(Number.isInteger(line.created));
    assert.equal(typeof metaOf(line), "object");
    assert.ok(JSON.stringify(line).length < 10_000);
  }
});

Deno.test("half a surrogate pair never comes into a record, a whole one always", () => {
  const given = '{"city": "\\ud83d\\ude00 \\udcad"}';
  const messages = [
    user("a \udcad b \ud83d\ude00"),
    assistant(null, called(["f", given])),
    { role: "tool", content: { odd: "\ud83c" } },
    user("the letters \\ud83c"),
  ];
  const tools = [{ type: "function", function: { name: "f", description: "\udfff" } }];
  const store = storeOf([
    chunk({ content: "x \ud83d" }),
    chunk({ content: "\ude00 \ud83c" }, "stop"),
  ]);
  for (const format of ["sharegpt", "openai"] as const) {
    const { lines } = records({ messages, tools, stop: ["\udc00"] }, store, {}, format);
    const line = recordLine(lines[0]);
    const said = format === "openai" ? lines[0].messages : lines[0].conversations;
    assert.equal(said.at(-1).value ?? said.at(-1).content, "x \ud83d\ude00 \ud83c");
    const read = JSON.parse(line);
    for (const text of textsIn([read, JSON.parse(read.meta), given])) {
      assert.ok(text.isWellFormed(), text);
    }
    assert.match(line, /x 😀 \\ufffd/);
    assert.match(line, /the letters \\\\ud83c/);
    if (format === "openai") continue;
    const call = JSON.parse(read.conversations[1].value);
    assert.equal(call.arguments.city, "😀 \ufffd");
    assert.equal(JSON.parse(read.tools)[0].function.description, "\ufffd");
  }
});

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => [key, ...textsIn(inner)])
    : [];
}

Deno.test("NaN and Infinity, which Python's JSON has, cost no record its conversation", () => {
  const made = capture({}, null);
  made.requestBody = bytesOf(
    '{"temperature":NaN,"top_p":-Infinity,"messages":[{"role":"user","content":"NaN \\"Infinity\\" "}]}',
  );
  made.response = bytesOf(
    '{"choices":[{"message":{"content":"a"},"finish_reason":"stop","logprobs":[-Infinity]}]}',
  );
  const { complete, lines } = recordsOf(
    made,
    assemble(dialects.chat.assembler(), made.response),
    "sharegpt",
  );
  assert.equal(complete, true);
  assert.equal((lines[0] as Line).conversations[0].value, 'NaN "Infinity" ');
  assert.deepEqual(metaOf(lines[0]).sampling, undefined);
});

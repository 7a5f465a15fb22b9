// The shape of records: by the rules of the programs that load them, and without loss.

import assert from "node:assert/strict";
import type { Capture } from "../../lib/record/capture.ts";
import { recordLine } from "../../lib/record/json_text.ts";
import { type RecordFormat, recordsOf } from "../../lib/record/record.ts";
import { dialects } from "../../lib/api/dialects.ts";
import { assemble } from "../../lib/sse/assemble/assemble.ts";
import type { EventStore } from "../../lib/sse/event_store.ts";
import { bytesOf, capture, chunk, completion, storeOf } from "./samples.ts";

// deno-lint-ignore no-explicit-any -- tests look into many shapes
type Line = Record<string, any>;

function records(
  request: object,
  response: object | EventStore | null,
  more: Partial<Capture> = {},
  format: RecordFormat = "sharegpt",
): { complete: boolean; lines: Line[] } {
  const made = capture(request, response, more);
  return recordsOf(made, assemble(dialects[made.api].assembler(), made.response), format);
}

const metaOf = (line: Line) => JSON.parse(line.meta);

/** The turns of a complete record, having passed LLaMA-Factory's rules. */
function turns(request: object, response: object, more: Partial<Capture> = {}): string[][] {
  const { complete, lines } = records(request, response, more);
  assert.equal(complete, true);
  loadsInLlamaFactory(lines[0]);
  return lines[0].conversations.map((turn: Line) => [turn.from, turn.value]);
}

/** One system turn in front at most; sides alternate; an answer at the end; calls and tools parse. */
function loadsInLlamaFactory(record: Line): void {
  const all = record.conversations as { from: string; value: string }[];
  const rest = all[0].from === "system" ? all.slice(1) : all;
  assert.ok(rest.length >= 2 && rest.length % 2 === 0, JSON.stringify(all));
  rest.forEach(({ from, value }, at) => {
    const accepted = at % 2 === 0 ? ["human", "observation"] : ["gpt", "function_call"];
    assert.ok(accepted.includes(from), `${from} at place ${at + 1}`);
    assert.equal(typeof value, "string");
    if (from !== "function_call") return;
    const calls = [JSON.parse(value.replace(/<think>\n[\s\S]*?\n<\/think>\n\n/, ""))].flat();
    for (const call of calls) {
      assert.equal(typeof call.name, "string");
      assert.ok("arguments" in call);
    }
  });
  if (record.tools === "") return;
  for (const tool of JSON.parse(record.tools)) {
    assert.equal(typeof tool.function.name, "string");
    assert.equal(typeof tool.function.parameters, "object");
  }
}

const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: unknown, more = {}) => ({ role: "assistant", content, ...more });
const called = (...calls: [string, string][]) => ({
  tool_calls: calls.map(([name, given], at) => ({
    id: `c${at}`,
    type: "function",
    function: { name, arguments: given },
  })),
});

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

Deno.test("system and developer messages become one system turn in front", () => {
  const messages = [
    { role: "system", content: "Be brief." },
    user("Hi"),
    assistant("Ho"),
    { role: "developer", content: "Be kind." },
    user("Bye"),
  ];
  assert.deepEqual(turns({ messages }, completion({ content: "Ciao" })), [
    ["system", "Be brief.\n\nBe kind."],
    ["human", "Hi"],
    ["gpt", "Ho"],
    ["human", "Bye"],
    ["gpt", "Ciao"],
  ]);
});

Deno.test("messages of one side in a row become one turn, so that the sides alternate", () => {
  const messages = [user("a"), user("b"), assistant("c"), assistant("d"), user("e")];
  assert.deepEqual(turns({ messages }, completion({ content: "f" })), [
    ["human", "a\n\nb"],
    ["gpt", "c\n\nd"],
    ["human", "e"],
    ["gpt", "f"],
  ]);
  assert.deepEqual(turns({ messages: [assistant("a"), user("b")] }, completion({ content: "c" })), [
    ["human", ""],
    ["gpt", "a"],
    ["human", "b"],
    ["gpt", "c"],
  ]);
  const system = [{ role: "system", content: "s" }];
  assert.deepEqual(turns({ messages: system }, completion({ content: "c" })), [
    ["system", "s"],
    ["human", ""],
    ["gpt", "c"],
  ]);
});

Deno.test("reasoning stands at the start of the gpt value, as the model wrote it", () => {
  const answer = completion({ content: "\n\n4", reasoning_content: "\n2+2\n" });
  const messages = [user("1+1"), assistant("2", { reasoning: "easy" }), user("2+2")];
  assert.deepEqual(turns({ messages }, answer), [
    ["human", "1+1"],
    ["gpt", "<think>easy</think>2"],
    ["human", "2+2"],
    ["gpt", "<think>\n2+2\n</think>\n\n4"],
  ]);
});

Deno.test("tool calls and results become function_call and observation", () => {
  const tools = [{ type: "function", function: { name: "f" } }];
  const messages = [
    user("x?"),
    assistant(null, called(["f", '{"x":1}'])),
    { role: "tool", tool_call_id: "c0", content: "one" },
    assistant("One. And?"),
    user("y, z?"),
    assistant(null, called(["f", '{"y": 12345678901234567890}'], ["g", ""])),
    { role: "tool", tool_call_id: "c0", content: "two" },
    { role: "tool", tool_call_id: "c1", content: [{ type: "text", text: "three" }] },
    user("go on"),
  ];
  const answer = completion({ content: null, ...called(["f", "{}"]), reasoning: "Again" });
  assert.deepEqual(turns({ messages, tools }, answer), [
    ["human", "x?"],
    ["function_call", '{"name": "f", "arguments": {"x":1}}'],
    ["observation", "one"],
    ["gpt", "One. And?"],
    ["human", "y, z?"],
    [
      "function_call",
      '[{"name": "f", "arguments": {"y": 12345678901234567890}}, {"name": "g", "arguments": {}}]',
    ],
    ["observation", "two\n\nthree\n\ngo on"],
    ["function_call", '<think>\nAgain\n</think>\n\n{"name": "f", "arguments": {}}'],
  ]);
});

Deno.test("text beside tool calls is a turn of its own, and no value is lost", () => {
  const answer = completion({ content: "A moment.", reasoning: "Hm", ...called(["f", "{}"]) });
  assert.deepEqual(turns({ messages: [user("x?")] }, answer), [
    ["human", "x?"],
    ["gpt", "<think>Hm</think>A moment."],
    ["human", ""],
    ["function_call", '{"name": "f", "arguments": {}}'],
  ]);
});

Deno.test("arguments that are no JSON are kept as text", () => {
  const answer = completion({ content: null, ...called(["f", '{"x":']) });
  assert.equal(
    turns({ messages: [user("x?")] }, answer)[1][1],
    '{"name": "f", "arguments": "{\\"x\\":"}',
  );
});

Deno.test("OpenAI's older function_call is read like a tool call", () => {
  const messages = [
    user("x?"),
    assistant(null, { function_call: { name: "f", arguments: "{}" } }),
    { role: "function", name: "f", content: "one" },
  ];
  const functions = [{ name: "f", parameters: { type: "object" } }];
  const { lines } = records({ messages, functions }, completion({ content: "1" }));
  loadsInLlamaFactory(lines[0]);
  assert.deepEqual(lines[0].conversations.map((turn: Line) => turn.from), [
    "human",
    "function_call",
    "observation",
    "gpt",
  ]);
});

Deno.test("pictures, sounds and films are named in the text and listed beside it", () => {
  const content = [
    { type: "text", text: "What is" },
    { type: "image_url", image_url: { url: "https://x/a.png" } },
    { type: "input_audio", input_audio: { data: "AAAA", format: "mp3" } },
    { type: "video_url", video_url: { url: "https://x/a.mp4" } },
    { type: "text", text: "this?" },
  ];
  const request = { messages: [user(content)] };
  const { lines } = records(request, completion({ content: "A cat" }));
  assert.equal(lines[0].conversations[0].value, "What is\n<image>\n<audio>\n<video>\nthis?");
  assert.deepEqual(metaOf(lines[0]).media, {
    images: ["https://x/a.png"],
    audios: ["data:audio/mp3;base64,AAAA"],
    videos: ["https://x/a.mp4"],
  });
  const openai = records(request, completion({ content: "A cat" }), {}, "openai");
  assert.deepEqual(openai.lines[0].messages[0].content, content);
});

Deno.test("the openai form keeps every field of the messages, and the tools", () => {
  const messages = [
    user("Hi"),
    { role: "assistant", content: "Ho", reasoning_content: "r", name: "bot", odd: { a: [1] } },
    user("?"),
  ];
  const tools = [{ type: "function", function: { name: "f", strict: true } }, { type: "other" }];
  const answer = completion({ content: "A moment.", reasoning: "Hm", ...called(["f", "{}"]) });
  const { lines } = records({ messages, tools }, answer, {}, "openai");
  assert.deepEqual(lines[0].messages, [
    ...messages,
    { role: "assistant", content: "A moment.", reasoning: "Hm", ...called(["f", "{}"]) },
  ]);
  assert.deepEqual(lines[0].tools, tools);
});

Deno.test("each of several choices is a line of its own", () => {
  const store = storeOf([
    chunk({ content: "a" }, "stop", 0),
    chunk({ content: "b" }, "length", 1),
  ]);
  const { complete, lines } = records({ messages: [user("Hi")], n: 2 }, store);
  assert.equal(complete, true);
  assert.deepEqual(
    lines.map((line) => [line.id, line.conversations[1].value, metaOf(line).finish_reason]),
    [["chatcmpl-1-0", "a", "stop"], ["chatcmpl-1-1", "b", "length"]],
  );
});

Deno.test("an answer that the client began is one message with its begin", () => {
  const messages = [user("Count"), assistant("1, 2, ")];
  const open = { messages, continue_final_message: true, add_generation_prompt: false };
  const whole = [["human", "Count"], ["gpt", "1, 2, 3"]];
  assert.deepEqual(turns(open, completion({ content: "3" })), whole);
  assert.deepEqual(turns({ ...open, echo: true }, completion({ content: "1, 2, 3" })), whole);
  assert.deepEqual(
    turns(
      { messages: [user("Count"), assistant("1, 2, ", { prefix: true })] },
      completion({
        content: "3",
      }),
    ),
    whole,
  );
});

Deno.test("text completions are a question and its answer, for each prompt of a list", () => {
  const text = (index: number, text: string) => ({ index, text, finish_reason: "stop" });
  const more: Partial<Capture> = { api: "completions" };
  assert.deepEqual(turns({ prompt: "Once" }, { choices: [text(0, " upon")] }, more), [
    ["human", "Once"],
    ["gpt", " upon"],
  ]);
  assert.deepEqual(
    turns({ prompt: "Once", echo: true }, { choices: [text(0, "Once upon")] }, more),
    [
      ["human", "Once"],
      ["gpt", " upon"],
    ],
  );
  const choices = [text(0, "a0"), text(1, "a1"), text(2, "b0"), text(3, "b1")];
  const { lines } = records({ prompt: ["a", "b"], n: 2 }, { choices }, more);
  assert.deepEqual(
    lines.map((line) => line.conversations.map((turn: Line) => turn.value)),
    [["a", "a0"], ["a", "a1"], ["b", "b0"], ["b", "b1"]],
  );
});

Deno.test("a prompt of token ids is a whole conversation, with the ids as they came", () => {
  const choices = [{ index: 0, text: "a", finish_reason: "stop" }];
  const more: Partial<Capture> = { api: "completions" };
  const { complete, lines } = records({ prompt: [1, 2] }, { choices }, more);
  assert.equal(complete, true);
  assert.deepEqual(lines[0].conversations.map((turn: Line) => turn.value), ["[1,2]", "a"]);
  assert.equal(metaOf(lines[0]).prompt, "token_ids");
  assert.equal(metaOf(lines[0]).outcome, undefined);
  const two = [...choices, { index: 1, text: "b", finish_reason: "stop" }];
  assert.deepEqual(
    records({ prompt: [[1, 2], [3]] }, { choices: two }, more).lines.map((line) =>
      line.conversations.map((turn: Line) => turn.value)
    ),
    [["[1,2]", "a"], ["[3]", "b"]],
  );
});

Deno.test("what cannot be a conversation is kept apart, and is no truncation", () => {
  const choices = [{ index: 0, text: "a", finish_reason: "stop" }];
  const more: Partial<Capture> = { api: "completions" };
  const { complete, lines } = records({ prompt_embeds: "AAAA" }, { choices }, more);
  assert.equal(complete, false);
  assert.equal(metaOf(lines[0]).outcome, "unfit");
});

Deno.test("a model that repeats itself until the instance ends it has given a whole answer", () => {
  const answer = completion({ content: "a a a a" }, "repetition");
  const { complete, lines } = records({ messages: [user("Hi")] }, answer);
  assert.equal(complete, true);
  assert.equal(metaOf(lines[0]).finish_reason, "repetition");
});

Deno.test("a response's instructions and items are a conversation", () => {
  const request = {
    instructions: "Be brief.",
    input: [
      { role: "user", content: [{ type: "input_text", text: "x?" }] },
      { type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }] },
      { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: "one" },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "One" }] },
      { role: "user", content: "And?" },
    ],
    tools: [{ type: "function", name: "f", parameters: { type: "object" } }, { type: "web" }],
  };
  const response = {
    id: "resp",
    status: "completed",
    output: [{ type: "message", content: [{ type: "output_text", text: "Two" }] }],
  };
  assert.deepEqual(turns(request, response, { api: "responses" }), [
    ["system", "Be brief."],
    ["human", "x?"],
    ["function_call", '<think>\nHm\n</think>\n\n{"name": "f", "arguments": {}}'],
    ["observation", "one"],
    ["gpt", "One"],
    ["human", "And?"],
    ["gpt", "Two"],
  ]);
  assert.deepEqual(turns({ input: "Hi" }, response, { api: "responses" }), [
    ["human", "Hi"],
    ["gpt", "Two"],
  ]);
});

Deno.test("Anthropic's blocks are a conversation", () => {
  const request = {
    system: [{ type: "text", text: "Be brief." }],
    messages: [
      user([
        { type: "text", text: "x?" },
        { type: "image", source: { type: "base64", media_type: "image/png", data: "AA" } },
      ]),
      assistant([
        { type: "thinking", thinking: "Hm", signature: "s" },
        { type: "tool_use", id: "c", name: "f", input: { x: 1 } },
      ]),
      user([
        { type: "tool_result", tool_use_id: "c", content: [{ type: "text", text: "one" }] },
        { type: "text", text: "And?" },
      ]),
    ],
    tools: [{ name: "f", input_schema: { type: "object" } }],
  };
  const response = {
    id: "msg",
    content: [{ type: "text", text: "One" }],
    stop_reason: "end_turn",
  };
  const { lines } = records(request, response, { api: "messages" });
  loadsInLlamaFactory(lines[0]);
  assert.deepEqual(lines[0].conversations.map((turn: Line) => [turn.from, turn.value]), [
    ["system", "Be brief."],
    ["human", "x?\n<image>"],
    ["function_call", '<think>\nHm\n</think>\n\n{"name": "f", "arguments": {"x":1}}'],
    ["observation", "one\n\nAnd?"],
    ["gpt", "One"],
  ]);
  assert.deepEqual(metaOf(lines[0]).media, { images: ["data:image/png;base64,AA"] });
  assert.equal(metaOf(lines[0]).finish_reason, "stop");
  const prefilled = { messages: [user("Count"), assistant("1, ")] };
  const two = { ...response, content: [{ type: "text", text: "2" }] };
  assert.deepEqual(turns(prefilled, two, { api: "messages" }), [
    ["human", "Count"],
    ["gpt", "1, 2"],
  ]);
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

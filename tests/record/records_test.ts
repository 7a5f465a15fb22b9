// How a conversation becomes a record: turns by the rules of the programs that load them, without loss.

import assert from "node:assert/strict";
import type { Capture } from "../../lib/record/capture.ts";
import { chunk, completion, storeOf } from "./samples.ts";
import {
  assistant,
  called,
  type Line,
  loadsInLlamaFactory,
  metaOf,
  records,
  turns,
  user,
} from "./read_records.ts";

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

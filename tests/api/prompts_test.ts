// A request's prompt as `/tokenize` takes it is the chat that vLLM 0.32 makes of the request: the counts of
// tokens were the same there for each of these requests.

import assert from "node:assert/strict";
import type { Json } from "../../lib/api/dialect.ts";
import { dialects } from "../../lib/api/dialects.ts";

const parameters = { type: "object", properties: { city: { type: "string" } } };
const prompt = (api: "chat" | "messages" | "responses", request: Json): Json | null =>
  JSON.parse(JSON.stringify(dialects[api].prompt!(request)));

Deno.test("messages: system blocks are one text, without the line that differs each time", () => {
  const asked = prompt("messages", {
    system: [
      { type: "text", text: "x-anthropic-billing-header: 1" },
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ],
    messages: [{ role: "user", content: "hi" }],
  });
  assert.deepEqual(asked, {
    messages: [{ role: "system", content: "ab" }, { role: "user", content: "hi" }],
    add_generation_prompt: true,
    chat_template_kwargs: {},
  });
});

Deno.test("messages: thoughts, calls and results become those of a chat, results before what is said", () => {
  const asked = prompt("messages", {
    tools: [{ name: "w", description: "weather", input_schema: { properties: {} } }],
    messages: [
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: "s" },
          { type: "text", text: "Let me see" },
          { type: "tool_use", id: "t1", name: "w", input: { city: "Köln" } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "text", text: "so?" },
          {
            type: "tool_result",
            tool_use_id: "t1",
            content: [{ type: "text", text: "rain" }, { type: "text", text: "cold" }],
          },
        ],
      },
    ],
  });
  assert.deepEqual(asked?.messages, [
    {
      role: "assistant",
      reasoning: "hm",
      tool_calls: [{
        id: "t1",
        type: "function",
        function: { name: "w", arguments: '{"city":"Köln"}' },
      }],
      content: "Let me see",
    },
    { role: "tool", tool_call_id: "t1", content: "rain\ncold" },
    { role: "user", content: "so?" },
  ]);
  assert.deepEqual(asked?.tools, [{
    type: "function",
    function: { name: "w", description: "weather", parameters: { properties: {}, type: "object" } },
  }]);
});

Deno.test("messages: an assistant's turn at the end is closed, as vLLM closes it", () => {
  const messages = [{ role: "user", content: "hi" }, { role: "assistant", content: "The" }];
  const asked = prompt("messages", { messages });
  assert.deepEqual(asked?.messages, messages);
  assert.equal(asked?.add_generation_prompt, true);
});

Deno.test("responses: instructions, parts, thoughts and calls become those of a chat", () => {
  const asked = prompt("responses", {
    instructions: "be brief",
    input: [
      { role: "user", content: [{ type: "input_text", text: "hi" }] },
      {
        type: "reasoning",
        summary: [{ type: "summary_text", text: "sum" }],
        content: [{ type: "reasoning_text", text: "hm" }],
      },
      {
        type: "message",
        role: "assistant",
        content: [{ type: "output_text", text: "Let me see" }],
      },
      { type: "function_call", call_id: "c", name: "w", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: "rain" },
    ],
    tools: [{ type: "function", name: "w", parameters }],
    reasoning: { effort: "low" },
  });
  assert.deepEqual(asked, {
    messages: [
      { role: "system", content: "be brief" },
      { role: "user", content: [{ type: "text", text: "hi" }] },
      {
        role: "assistant",
        reasoning: "hm",
        content: "Let me see",
        tool_calls: [{ id: "c", type: "function", function: { name: "w", arguments: "{}" } }],
      },
      { role: "tool", content: "rain", tool_call_id: "c" },
    ],
    add_generation_prompt: true,
    chat_template_kwargs: { enable_thinking: true, reasoning_effort: "low" },
    tools: [{ type: "function", function: { name: "w", parameters } }],
  });
});

Deno.test("what lies with the instance, or is written in a form of its own, has no prompt here", () => {
  const input = "hi";
  assert.equal(prompt("responses", { input, previous_response_id: "resp_1" }), null);
  assert.equal(prompt("responses", { input, tools: [{ type: "custom", name: "c" }] }), null);
  assert.equal(prompt("responses", { input: [{ type: "item_reference", id: "i" }] }), null);
  assert.equal(
    prompt("responses", { input: [{ role: "assistant", content: "The", status: "incomplete" }] }),
    null,
  );
  const messages = [{ role: "user", content: "hi" }];
  assert.equal(prompt("messages", { messages, thinking: { type: "disabled" } }), null);
  assert.equal(prompt("chat", { messages, documents: [{ text: "d" }] }), null);
});

Deno.test("chat: the template's options are those of the request", () => {
  const asked = prompt("chat", {
    messages: [{ role: "user", content: "hi" }],
    chat_template_kwargs: { enable_thinking: false },
    reasoning_effort: "high",
  });
  assert.deepEqual(asked?.chat_template_kwargs, {
    enable_thinking: false,
    reasoning_effort: "high",
  });
});

Deno.test("a prompt may have more turns and results than a call takes arguments", () => {
  const count = 300_000;
  const turns = Array(count).fill({ role: "user", content: "x" });
  const said = prompt("responses", { input: turns })?.messages as Json[];
  assert.equal(said.length, count);
  const results = Array(count).fill({ type: "tool_result", tool_use_id: "t", content: "y" });
  const messages = [{ role: "user", content: results }];
  const told = prompt("messages", { messages })?.messages as Json[];
  assert.equal(told.length, count);
  assert.equal(dialects.messages.asked({ messages }, 0).messages.length, count);
});

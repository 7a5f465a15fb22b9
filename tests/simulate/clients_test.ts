// The official clients take a simulated instance for a real one.

import assert from "node:assert/strict";
import Anthropic from "npm:@anthropic-ai/sdk@1.12.0";
import OpenAI from "npm:openai@7.57.0";
import { ask, stand } from "./stand.ts";

Deno.test("the openai client reads streamed chats and responses to their end", async () => {
  await using it = await stand({ reasoningTokens: 4 });
  const client = new OpenAI({ baseURL: `${it.origin}/v1`, apiKey: "none" });
  const chat = client.chat.completions.stream({
    model: "demo",
    messages: [{ role: "user", content: "Hello" }],
  });
  assert.equal((await chat.finalChatCompletion()).choices[0].finish_reason, "stop");
  const response = client.responses.stream({ model: "demo", input: "Hello" });
  const whole = await response.finalResponse();
  assert.equal(whole.status, "completed");
  assert.ok(whole.output_text.length > 0);
});

Deno.test("the Anthropic client reads a streamed message to its end", async () => {
  await using it = await stand({ reasoningTokens: 4 });
  const client = new Anthropic({ baseURL: it.origin, apiKey: "none" });
  const message = await client.messages.stream({
    model: "demo",
    max_tokens: 200,
    messages: ask("Hello") as Anthropic.MessageParam[],
  }).finalMessage();
  assert.equal(message.stop_reason, "end_turn");
  assert.deepEqual(message.content.map((block) => block.type), ["thinking", "text"]);
});

// The AI SDK with its OpenAI-compatible provider through the gateway.

import assert from "node:assert/strict";
import { createOpenAICompatible } from "npm:@ai-sdk/openai-compatible@3.0.92";
import { generateText, jsonSchema, streamText, tool } from "npm:ai@7.0.173";
import { startFleet } from "./fleet.ts";

Deno.test("AI SDK: plain, streamed and tools", async (t) => {
  await using fleet = await startFleet();
  const model = createOpenAICompatible({ name: "gateway", baseURL: fleet.baseURL })("demo");
  let plain = "";

  await t.step("a plain answer", async () => {
    const { text } = await generateText({ model, prompt: "hello", maxOutputTokens: 12 });
    plain = text;
    assert.ok(plain.length > 0);
  });

  await t.step("a streamed answer says the same", async () => {
    let text = "";
    const { textStream } = streamText({ model, prompt: "hello", maxOutputTokens: 12 });
    for await (const part of textStream) text += part;
    assert.equal(text, plain);
  });

  await t.step("a tool call", async () => {
    const { toolCalls } = await generateText({
      model,
      prompt: "hello",
      toolChoice: "required",
      tools: {
        get_weather: tool({
          description: "The weather of a city",
          inputSchema: jsonSchema<{ city: string }>({
            type: "object",
            properties: { city: { type: "string" } },
            required: ["city"],
          }),
        }),
      },
    });
    assert.equal(toolCalls[0].toolName, "get_weather");
  });

  await t.step("an unknown model is an error with its status", async () => {
    const unknown = createOpenAICompatible({ name: "gateway", baseURL: fleet.baseURL })("nope");
    await assert.rejects(
      generateText({ model: unknown, prompt: "hello", maxRetries: 0 }),
      (error: unknown) => (error as { statusCode?: number }).statusCode === 404,
    );
  });
});

Deno.test("AI SDK: an aborted stream is aborted on the instance", async () => {
  await using fleet = await startFleet(["--tokens-per-second", "20"]);
  const model = createOpenAICompatible({ name: "gateway", baseURL: fleet.baseURL })("demo");
  const aborter = new AbortController();
  const { textStream } = streamText({
    model,
    prompt: "hello",
    maxOutputTokens: 500,
    abortSignal: aborter.signal,
    onError() {},
  });
  for await (const _ of textStream) break;
  aborter.abort();
  await fleet.untilAborted();
});

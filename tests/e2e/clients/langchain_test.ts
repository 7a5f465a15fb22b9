// LangChain's OpenAI client through the gateway.

import assert from "node:assert/strict";
import { ChatOpenAI } from "npm:@langchain/openai@1.6.0";
import { startFleet, weatherTool } from "./fleet.ts";

Deno.test("LangChain: plain, streamed, tools and errors", async (t) => {
  await using fleet = await startFleet();
  const options = {
    apiKey: "EMPTY",
    maxRetries: 0,
    maxTokens: 12,
    configuration: { baseURL: fleet.baseURL },
  };
  const model = new ChatOpenAI({ model: "demo", ...options });
  let plain = "";

  await t.step("a plain answer", async () => {
    const answer = await model.invoke("hello");
    plain = String(answer.content);
    assert.ok(plain.length > 0);
  });

  await t.step("a streamed answer says the same", async () => {
    let text = "";
    for await (const chunk of await model.stream("hello")) text += chunk.content;
    assert.equal(text, plain);
  });

  await t.step("a tool call", async () => {
    const caller = new ChatOpenAI({ model: "demo", ...options, maxTokens: 100 })
      .bindTools([weatherTool], { tool_choice: "required" });
    const answer = await caller.invoke("hello");
    assert.equal(answer.tool_calls![0].name, "get_weather");
  });

  await t.step("an unknown model is an error that names it", async () => {
    await assert.rejects(
      new ChatOpenAI({ model: "nope", ...options }).invoke("hello"),
      /`nope` does not exist/,
    );
  });
});

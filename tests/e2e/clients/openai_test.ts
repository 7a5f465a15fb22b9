// The official OpenAI client through the gateway.

import assert from "node:assert/strict";
import OpenAI from "npm:openai@7.57.0";
import { startFleet, weatherTool } from "./fleet.ts";

const messages = [{ role: "user" as const, content: "hello there" }];

Deno.test("openai: plain, streamed, tools, embeddings, responses and models", async (t) => {
  await using fleet = await startFleet();
  const client = new OpenAI({ baseURL: fleet.baseURL, apiKey: "EMPTY", maxRetries: 0 });
  let plain = "";

  await t.step("a plain answer, with its usage and the gateway's headers", async () => {
    const { data, response } = await client.chat.completions
      .create({ model: "demo", messages, max_tokens: 12 }).withResponse();
    plain = data.choices[0].message.content!;
    assert.ok(plain.length > 0);
    assert.ok(data.usage!.completion_tokens > 0);
    assert.match(response.headers.get("x-gateway-instance")!, /^127\.0\.0\.1:\d+$/);
    assert.ok(response.headers.get("x-request-id"));
  });

  await t.step("a streamed answer says the same, and its usage", async () => {
    const stream = await client.chat.completions.create({
      model: "demo",
      messages,
      max_tokens: 12,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let finish: string | null = null;
    let tokens = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
    assert.equal(text, plain);
    assert.equal(finish, "length");
    assert.ok(tokens > 0);
  });

  await t.step("tool calls, plain and streamed, are the same", async () => {
    const request = {
      model: "demo",
      messages,
      tools: [weatherTool],
      tool_choice: "required" as const,
    };
    const whole = await client.chat.completions.create(request);
    const [call] = whole.choices[0].message.tool_calls!;
    assert.ok(call.type === "function");
    assert.equal(call.function.name, "get_weather");
    let streamed = "";
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      streamed += chunk.choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? "";
    }
    assert.deepEqual(JSON.parse(streamed), JSON.parse(call.function.arguments));
  });

  await t.step("several choices", async () => {
    const { choices } = await client.chat.completions
      .create({ model: "demo", messages, n: 3, max_tokens: 4 });
    assert.deepEqual(choices.map((choice) => choice.index), [0, 1, 2]);
  });

  await t.step("text completions, embeddings, the responses API and the models", async () => {
    const text = await client.completions.create({ model: "demo", prompt: "once", max_tokens: 5 });
    assert.ok(text.choices[0].text.length > 0);
    const embedding = await client.embeddings.create({ model: "demo", input: "x" });
    assert.ok(embedding.data[0].embedding.length > 0);
    const answer = await client.responses.create({ model: "demo", input: "hello" });
    assert.ok(answer.output_text.length > 0);
    const again = await client.responses.retrieve(answer.id);
    assert.equal(again.id, answer.id);
    let streamed = "";
    const events = await client.responses.create({ model: "demo", input: "hello", stream: true });
    for await (const event of events) {
      if (event.type === "response.output_text.delta") streamed += event.delta;
    }
    assert.equal(streamed, answer.output_text);
    const models = await client.models.list();
    assert.deepEqual(models.data.map((model) => model.id), ["demo"]);
  });

  await t.step("a transcription goes through as a form", async () => {
    const file = new File([new Uint8Array(2000)], "speech.wav", { type: "audio/wav" });
    const answer = await client.audio.transcriptions.create({ model: "demo", file });
    assert.equal(typeof answer.text, "string");
  });
});

Deno.test("openai: errors arrive as the client's own types", async (t) => {
  await using fleet = await startFleet();
  const client = new OpenAI({ baseURL: fleet.baseURL, apiKey: "EMPTY", maxRetries: 0 });
  const asked = async () => {
    const seen = await Promise.all([0, 1].map((index) => fleet.simulators.requests(index)));
    return seen.flat().filter((request) => request.path === "/v1/chat/completions").length;
  };

  await t.step("an unknown model is a NotFoundError that names it", async () => {
    await assert.rejects(
      client.chat.completions.create({ model: "nope", messages }),
      (error: unknown) => {
        assert.ok(error instanceof OpenAI.NotFoundError);
        assert.match(error.message, /`nope` does not exist/);
        return true;
      },
    );
  });

  await t.step("an instance's 400 passes as it came and is asked once", async () => {
    const before = await asked();
    await assert.rejects(
      client.chat.completions.create({ model: "demo", messages, temperature: -5 }),
      (error: unknown) => error instanceof OpenAI.BadRequestError,
    );
    assert.equal(await asked() - before, 1);
  });

  await t.step("when all instances fail, the error names each", async () => {
    await fleet.simulators.fail(0, "500");
    await fleet.simulators.fail(1, "reset");
    await assert.rejects(
      client.chat.completions.create({ model: "demo", messages, stream: true }),
      (error: unknown) => {
        assert.ok(error instanceof OpenAI.InternalServerError);
        for (const port of fleet.simulators.ports) {
          assert.ok(error.message.includes(String(port)), error.message);
        }
        return true;
      },
    );
  });
});

Deno.test("openai: an aborted stream closes the connection to the instance at once", async () => {
  await using fleet = await startFleet(["--tokens-per-second", "20"]);
  const client = new OpenAI({ baseURL: fleet.baseURL, apiKey: "EMPTY" });
  const stream = await client.chat.completions.create({
    model: "demo",
    messages,
    max_tokens: 500,
    stream: true,
  });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
  await fleet.untilAborted();
});

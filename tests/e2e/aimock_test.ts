// The gateway before upstreams that nobody here wrote: aimock's servers, with their own idea of the
// API and of faults. What the simulated instances cover is left to the other tests.

import assert from "node:assert/strict";
import { type Fixture, LLMock } from "npm:@copilotkit/aimock@1.43.0";
import OpenAI from "npm:openai@7.57.0";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { recordsOf } from "../support/records.ts";
import { eventsOf } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";

const story = "Once upon a time a request travelled far and came back with an answer.";
const toolCall = { name: "weather", arguments: '{"city":"Łódź"}', id: "call-1" };

function fixtures(more: Partial<Fixture> = {}): Fixture[] {
  return [
    { match: { userMessage: "story" }, response: { content: story }, chunkSize: 8, ...more },
    { match: { userMessage: "weather" }, response: { toolCalls: [toolCall] }, ...more },
  ];
}

/** Two aimock servers behind a gateway; faults are set on the first alone. */
async function stand(first: Partial<Fixture> = {}, second: Partial<Fixture> | null = {}) {
  const mocks = [new LLMock({ port: 0 }), new LLMock({ port: 0 })];
  mocks[0].addFixtures(fixtures(first));
  if (second !== null) mocks[1].addFixtures(fixtures(second));
  for (const mock of mocks) await mock.start();
  const used = second === null ? mocks.slice(0, 1) : mocks;
  const gateway = await startGateway({
    config: {
      instances: used.map((mock, index) => ({
        url: `${mock.url}/v1`,
        model_name: "gpt-4",
        name: `mock-${index}`,
      })),
      resume: "off",
    },
  });
  return {
    gateway,
    mocks,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      for (const mock of mocks) await mock.stop();
    },
  };
}

const ask = (content: string, more: object = {}) => ({
  model: "gpt-4",
  messages: [{ role: "user" as const, content }],
  ...more,
});

const ten = Array.from({ length: 10 }, (_, index) => index);

async function plainAnswers(gateway: GatewayProcess): Promise<string[]> {
  const texts: string[] = [];
  for (const _ of ten) {
    const response = await gateway.post("/v1/chat/completions", ask("story"));
    assert.equal(response.status, 200, await response.clone().text());
    texts.push((await response.json()).choices[0].message.content);
  }
  return texts;
}

Deno.test("aimock behind the gateway: plain, streamed, tools, and all of it recorded", async () => {
  await using s = await stand();
  const client = new OpenAI({ baseURL: `${s.gateway.url}/v1`, apiKey: "any", maxRetries: 0 });

  const plain = await client.chat.completions.create(ask("story"));
  assert.equal(plain.choices[0].message.content, story);

  let text = "";
  const stream = await client.chat.completions.create({ ...ask("story"), stream: true });
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  assert.equal(text, story);

  const tools = [{ type: "function" as const, function: { name: "weather", parameters: {} } }];
  const called = await client.chat.completions.create({ ...ask("weather"), tools });
  const call = called.choices[0].message.tool_calls![0];
  assert.ok(call.type === "function");
  assert.deepEqual(call.function, { name: toolCall.name, arguments: toolCall.arguments });

  const runner = client.chat.completions.stream({ ...ask("weather"), tools });
  const final = await runner.finalChatCompletion();
  const streamed = final.choices[0].message.tool_calls![0];
  assert.ok(streamed.type === "function");
  assert.equal(streamed.function.arguments, toolCall.arguments);

  const lines = await recordsOf(s.gateway, 4);
  assert.equal(lines.filter((line) => JSON.stringify(line).includes(story)).length, 2);
  assert.equal(
    lines.filter((line) => line.conversations.some((turn) => turn.from === "function_call")).length,
    2,
  );
  // Both took part.
  assert.deepEqual(s.mocks.map((mock) => mock.getRequests().length > 0), [true, true]);
});

for (
  const [name, chaos] of [
    ["500", { dropRate: 1 }],
    ["429", { rateLimitRate: 1 }],
    ["disconnect", { disconnectRate: 1 }],
  ] as const
) {
  Deno.test(`aimock's ${name}: the client sees only the other instance's answers`, async () => {
    await using s = await stand({ chaos });
    assert.deepEqual(await plainAnswers(s.gateway), ten.map(() => story));
    for (const _ of ten) {
      const response = await s.gateway.post("/v1/chat/completions", ask("story", { stream: true }));
      const events = eventsOf(await response.text());
      assert.equal(events.at(-1), "[DONE]");
      const text = events.slice(0, -1).map((data) =>
        JSON.parse(data).choices[0]?.delta.content ?? ""
      ).join("");
      assert.equal(text, story);
    }
    assert.ok(s.mocks[0].getRequests().length > 0, "the faulty one was tried");
  });
}

for (
  const [name, fault] of [
    ["truncation", { truncateAfterChunks: 3, latency: 20 }],
    ["disconnect in mid-stream", { disconnectAfterMs: 500, latency: 100 }],
  ] as const
) {
  Deno.test(`aimock's ${name}: the stream ends in an error event, never in [DONE]`, async () => {
    await using s = await stand(fault, null);
    const response = await s.gateway.post("/v1/chat/completions", ask("story", { stream: true }));
    assert.equal(response.status, 200);
    const events = eventsOf(await response.text());
    assert.ok(!events.includes("[DONE]"), events.join("\n"));
    assert.equal(typeof JSON.parse(events.at(-1)!).error?.message, "string", events.join("\n"));
    const said = events.slice(0, -1).map((data) => JSON.parse(data).choices[0]?.delta.content ?? "")
      .join("");
    assert.ok(said.length > 0 && story.startsWith(said), said);
    await recordsOf(s.gateway, 1, "incomplete");
    await waitFor(
      async () => (await s.gateway.health()).inFlight.every((count) => count === 0),
      "the lease to be given back",
    );
  });
}

Deno.test("aimock's 500 on every instance: an error status that names each", async () => {
  await using s = await stand({ chaos: { dropRate: 1 } }, { chaos: { dropRate: 1 } });
  for (const stream of [false, true]) {
    const response = await s.gateway.post("/v1/chat/completions", ask("story", { stream }));
    const text = await response.text();
    assert.ok([502, 503, 504].includes(response.status), text);
    assert.match(text, /mock-0/);
    assert.match(text, /mock-1/);
  }
});

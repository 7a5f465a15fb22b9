// The official clients at a limit: they wait as long as they are told and go on by themselves, and give up
// at once where waiting is no use.

import assert from "node:assert/strict";
import Anthropic from "npm:@anthropic-ai/sdk@1.12.0";
import { ChatOpenAI } from "npm:@langchain/openai@1.6.0";
import OpenAI from "npm:openai@7.57.0";
import { hashOfKey, newKey } from "../../../lib/caller/key.ts";
import { startGateway, startSimulators } from "../../support/processes.ts";

const messages = [{ role: "user" as const, content: "hello there" }];

Deno.test("access: openai, anthropic and LangChain back off and recover at a limit by themselves", async (t) => {
  await using simulators = await startSimulators({ count: 1, args: ["--ttft", "0.01"] });
  const [fast, small] = [newKey(), newKey()];
  const line = (name: string, key: string, more: object) => ({
    name,
    hash: `sha256:${hashOfKey(key)}`,
    ...more,
  });
  await using gateway = await startGateway({
    config: {
      instances: simulators.urls.map((url) => ({ url, model_name: "demo" })),
      keys: [
        line("fast", fast, { requests_per_minute: 120, burst: 1 }),
        line("small", small, { tokens_per_minute: 50 }),
      ],
    },
  });
  const baseURL = `${gateway.url}/v1`;
  const statuses: number[] = [];
  const counting: typeof fetch = async (...given) => {
    const response = await fetch(...given);
    statuses.push(response.status);
    return response;
  };
  const six = Array.from({ length: 6 });
  const recovered = () => {
    assert.equal(statuses.filter((status) => status === 200).length, six.length);
    const refused = statuses.filter((status) => status === 429).length;
    assert.ok(refused > 0, "no limit was met");
    // Told when to come, nobody hammers.
    assert.ok(refused <= 30, `${refused} times refused`);
    statuses.length = 0;
  };

  await t.step("openai", async () => {
    const client = new OpenAI({ baseURL, apiKey: fast, maxRetries: 10, fetch: counting });
    const answers = await Promise.all(
      six.map(() => client.chat.completions.create({ model: "demo", messages, max_tokens: 4 })),
    );
    for (const answer of answers) assert.ok(answer.choices[0].message.content);
    recovered();
  });

  await t.step("anthropic", async () => {
    const client = new Anthropic({
      baseURL: gateway.url,
      apiKey: fast,
      maxRetries: 10,
      fetch: counting,
    });
    await Promise.all(
      six.map(() => client.messages.create({ model: "demo", messages, max_tokens: 4 })),
    );
    recovered();
  });

  await t.step("LangChain", async () => {
    const model = new ChatOpenAI({
      model: "demo",
      apiKey: fast,
      maxRetries: 10,
      maxTokens: 4,
      configuration: { baseURL, fetch: counting },
    });
    await Promise.all(six.map(() => model.invoke("hello")));
    recovered();
  });

  await t.step("what can never be taken is asked for once", async () => {
    const client = new OpenAI({ baseURL, apiKey: small, maxRetries: 3, fetch: counting });
    await assert.rejects(
      client.chat.completions.create({ model: "demo", messages, max_tokens: 400 }),
      (error: unknown) =>
        error instanceof OpenAI.RateLimitError && /can never be taken/.test(error.message),
    );
    assert.deepEqual(statuses, [429]);
    statuses.length = 0;
    const anthropic = new Anthropic({
      baseURL: gateway.url,
      apiKey: small,
      maxRetries: 3,
      fetch: counting,
    });
    await assert.rejects(
      anthropic.messages.create({ model: "demo", messages, max_tokens: 400 }),
      (error: unknown) =>
        error instanceof Anthropic.RateLimitError && error.type === "rate_limit_error",
    );
    assert.deepEqual(statuses, [429]);
  });
});

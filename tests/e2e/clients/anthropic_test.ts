// The official Anthropic client through the gateway: vLLM speaks its Messages API too.

import assert from "node:assert/strict";
import Anthropic from "npm:@anthropic-ai/sdk@1.12.0";
import { startFleet } from "./fleet.ts";

const messages = [{ role: "user" as const, content: "hello there" }];

Deno.test("anthropic: plain, streamed, counted tokens and errors", async (t) => {
  await using fleet = await startFleet();
  const client = new Anthropic({ baseURL: fleet.gateway.url, apiKey: "EMPTY", maxRetries: 0 });
  let plain = "";

  await t.step("a plain answer", async () => {
    const answer = await client.messages.create({ model: "demo", messages, max_tokens: 12 });
    plain = answer.content.map((block) => block.type === "text" ? block.text : "").join("");
    assert.ok(plain.length > 0);
  });

  await t.step("a streamed answer says the same", async () => {
    const stream = client.messages.stream({ model: "demo", messages, max_tokens: 12 });
    assert.equal(await stream.finalText(), plain);
  });

  await t.step("tokens are counted", async () => {
    const counted = await client.messages.countTokens({ model: "demo", messages });
    assert.ok(counted.input_tokens > 0);
  });

  await t.step("an unknown model is the client's NotFoundError", async () => {
    await assert.rejects(
      client.messages.create({ model: "nope", messages, max_tokens: 12 }),
      (error: unknown) => error instanceof Anthropic.NotFoundError,
    );
  });

  await t.step("errors of the gateway's own have the shape and the types of this API", async () => {
    const asked: [string, string, number, string][] = [
      ["/v1/messages", '{"model":"nope"}', 404, "not_found_error"],
      ["/v1/messages/count_tokens?beta=true", '{"model":"nope"}', 404, "not_found_error"],
      ["/v1/messages", "{", 400, "invalid_request_error"],
    ];
    for (const [path, body, status, type] of asked) {
      const response = await fetch(fleet.gateway.url + path, { method: "POST", body });
      assert.equal(response.status, status);
      const { error, ...rest } = await response.json();
      assert.deepEqual(rest, { type: "error" });
      assert.deepEqual(Object.keys(error), ["type", "message"]);
      assert.equal(error.type, type);
    }
    const other = await fetch(`${fleet.gateway.url}/v1/messages_of_others`, { method: "POST" });
    assert.equal((await other.json()).type, undefined);
  });
});

Deno.test("anthropic: the client's key reaches a guarded instance as a Bearer token", async () => {
  await using fleet = await startFleet(["--api-key", "sesame"]);
  const client = new Anthropic({ baseURL: fleet.gateway.url, apiKey: "sesame", maxRetries: 0 });
  const answer = await client.messages.create({ model: "demo", messages, max_tokens: 4 });
  assert.ok(answer.content.length > 0);
});

Deno.test("anthropic: an aborted stream is aborted on the instance", async () => {
  await using fleet = await startFleet(["--tokens-per-second", "20"]);
  const client = new Anthropic({ baseURL: fleet.gateway.url, apiKey: "EMPTY" });
  const stream = client.messages.stream({ model: "demo", messages, max_tokens: 500 });
  for await (const event of stream) if (event.type === "content_block_delta") break;
  stream.abort();
  await fleet.untilAborted();
});

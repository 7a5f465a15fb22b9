// A client that asks for what is not there is told what there is, and the log says why it was refused.

import assert from "node:assert/strict";
import { quietGatewayFor } from "../support/gateway_for.ts";
import { rawRequest } from "../support/raw_http.ts";
import { startUpstream } from "../support/upstream.ts";

const BODY = { model: "demo", messages: [], input: "x", prompt: "x" };

async function messageOf(response: Response): Promise<string> {
  return (await response.json()).error.message;
}

Deno.test("a model that is not there is answered with the nearest, or with those that are", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor({
    url: instance.url,
    model_name: ["deepseek-r1", "qwen3-8b"],
  });
  const ask = (model: string) => gateway.post("/v1/chat/completions", { ...BODY, model });
  for (
    const [model, message] of [
      ["deepseek-r2", "The model `deepseek-r2` does not exist. Did you mean `deepseek-r1`?"],
      ["gpt-4o", "The model `gpt-4o` does not exist. There are `deepseek-r1`, `qwen3-8b`."],
      ["qwen3", "The model `qwen3` does not exist. Did you mean `qwen3-8b`?"],
    ]
  ) {
    const response = await ask(model);
    assert.equal(response.status, 404);
    assert.equal(await messageOf(response), message);
    assert.equal(await messageOf(await fetch(`${gateway.url}/v1/models/${model}`)), message);
  }
  const long = await messageOf(await ask("x".repeat(1_000_000)));
  assert.ok(long.length < 500, `${long.length} characters`);

  const many = Array.from({ length: 500 }, (_, index) => `model-number-${index}-of-many`);
  await using crowded = await quietGatewayFor({ url: instance.url, model_name: many });
  const said = await messageOf(await crowded.post("/v1/chat/completions", { ...BODY, model: "?" }));
  assert.match(said, /`model-number-7-of-many` and 492 more \(GET \/v1\/models\)\.$/);
});

Deno.test("a path without /v1 is answered with the one that was meant", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  for (const path of ["/chat/completions", "/messages", "/responses", "/embeddings"]) {
    const response = await gateway.post(path, BODY);
    assert.equal(response.status, 404);
    assert.equal(await messageOf(response), `Not Found: did you mean /v1${path}?`);
  }
  const models = await fetch(`${gateway.url}/models?a=b`);
  assert.equal(await messageOf(models), "Not Found: did you mean /v1/models?");
  for (const path of ["/nothing", "/v1", "/files", "/internal/x"]) {
    assert.equal(await messageOf(await gateway.post(path, BODY)), "Not Found");
  }
});

Deno.test({
  name: "a WebSocket is refused as what it is, not as malformed",
  // Deno.serve answers it by itself.
  ignore: Deno.env.get("TEST_LISTENER") === "deno_serve",
}, async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  const answer = await rawRequest({
    port: gateway.port,
    parts: [
      "GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
  });
  assert.equal(answer.status, 501);
  assert.match(answer.body, /"Upgrades to WebSocket are not supported"/);
});

Deno.test("the log has an instance's reason for each 4xx, whole, streamed and inside a 200", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  const error = (message: string) => ({ error: { message, type: "BadRequestError", code: 400 } });
  for (
    const [name, answer] of [
      ["plain", () => Response.json(error("reason plain"), { status: 400 })],
      ["event", () =>
        new Response(`data: ${JSON.stringify(error("reason event"))}\n\n`, {
          headers: { "content-type": "text/event-stream" },
        })],
      [
        "large",
        () => Response.json(error(`reason large ${"x".repeat(2_000_000)}`), { status: 422 }),
      ],
      ["text", () => new Response("reason text", { status: 413 })],
    ] as const
  ) {
    for (const stream of [false, true]) {
      if (name === "event" && !stream) continue;
      instance.answer = answer;
      const response = await gateway.post("/v1/chat/completions", { ...BODY, stream });
      await response.body?.cancel();
      await gateway.process.waitForOutput(
        new RegExp(`status=\\d+ (rejected|aborted) .*error="(.*reason ${name}|the client left)`),
      );
    }
  }
});

Deno.test("a request that nobody could answer is logged at warning, in text and in JSON", async () => {
  for (const format of ["text", "json"]) {
    const log = { level: "warning", format };
    await using gateway = await quietGatewayFor("http://127.0.0.1:2", { log });
    const response = await gateway.post("/v1/chat/completions", BODY);
    assert.equal(response.status, 502);
    await response.body?.cancel();
    await gateway.process.waitForOutput(
      format === "text"
        ? /\[WRN\] request .*status=502 failed .*127\.0\.0\.1:2: connection refused/
        : /"level":"WARN","message":"request".*"status":502/,
    );
    // What is the client's own mistake is none of the operator's warnings.
    await (await gateway.post("/v1/chat/completions", { ...BODY, model: "no" })).body?.cancel();
    await gateway.stop();
    assert.doesNotMatch(gateway.output(), /status=404|"status":404/);
  }
});

Deno.test("a method that a path does not have is answered with those that it has", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(instance.url);
  const passed = "GET, HEAD, POST, PUT, PATCH, DELETE";
  for (
    const [method, path, allow] of [
      ["POST", "/v1/models", "GET, HEAD"],
      ["DELETE", "/v1/models/demo", "GET, HEAD"],
      ["POST", "/health", "GET, HEAD"],
      ["PURGE", "/v1/chat/completions", passed],
    ]
  ) {
    const response = await fetch(gateway.url + path, { method });
    assert.equal(response.status, 405, `${method} ${path}`);
    assert.equal(response.headers.get("allow"), allow, `${method} ${path}`);
    await response.body?.cancel();
  }
});

Deno.test("an empty name of a model is none: there is one to take, or the names are told", async () => {
  await using instance = startUpstream();
  const body = { ...BODY, model: "" };
  await using gateway = await quietGatewayFor(instance.url);
  const response = await gateway.post("/v1/chat/completions", body);
  assert.equal(response.status, 200);
  await response.body?.cancel();
  assert.equal(instance.seen[0].text, JSON.stringify(body), "as it came");
  await using other = await quietGatewayFor({ url: instance.url, model_name: ["one", "two"] });
  const refused = await other.post("/v1/chat/completions", body);
  assert.equal(refused.status, 400);
  assert.match(await messageOf(refused), /must name a `model`, one of: one, two$/);
});

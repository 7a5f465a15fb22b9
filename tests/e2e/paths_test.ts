// Where requests go on an instance, and that nothing of the instance's own place comes back.

import assert from "node:assert/strict";
import { gatewayFor, quietGatewayFor } from "../support/gateway_for.ts";
import { rawRequest } from "../support/raw_http.ts";
import { startUpstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const BODY = { model: "demo", messages: [], input: "x", prompt: "x" };

Deno.test("an instance behind a prefix gets all its requests below it", async () => {
  await using instance = startUpstream();
  for (const base of ["/qwen/v1", "/qwen"]) {
    await using gateway = await quietGatewayFor(instance.origin + base);
    for (
      const [path, expected] of [
        ["/v1/chat/completions", "/qwen/v1/chat/completions"],
        ["/tokenize", "/qwen/tokenize"],
        ["/v2/rerank?a=/b", "/qwen/v2/rerank?a=/b"],
      ]
    ) {
      await (await gateway.post(path, BODY)).body?.cancel();
      assert.equal(instance.seen.at(-1)!.target, expected);
    }
  }
});

Deno.test("the health check of an instance behind a prefix asks below it, too", async () => {
  await using instance = startUpstream();
  await using _gateway = await gatewayFor(`${instance.origin}/qwen/v1`, {
    health_check: { interval: 0.05 },
  });
  const isAsked = () => instance.seen.some(({ target }) => target === "/qwen/health");
  await waitFor(isAsked, "the question below the prefix");
});

Deno.test("a redirect names the gateway's own paths, never the instance", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor(`${instance.origin}/qwen/v1`);
  const location = async (value: string) => {
    instance.answer = () => new Response(null, { status: 307, headers: { location: value } });
    const response = await gateway.post("/v1/chat/completions/", BODY, { redirect: "manual" });
    await response.body?.cancel();
    return response.headers.get("location");
  };
  assert.equal(await location(`${instance.origin}/qwen/v1/x?a=b#c`), "/v1/x?a=b#c");
  assert.equal(await location(`https://127.0.0.1:${instance.port}/qwen/v1/x`), "/v1/x");
  assert.equal(await location(`//127.0.0.1:${instance.port}/other`), "/other");
  assert.equal(await location("/qwen/v1/x"), "/v1/x");
  assert.equal(await location("x"), "x");
  assert.equal(await location("https://files.example.com/x"), "https://files.example.com/x");
});

Deno.test("what a model says of itself is asked for without a body", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor({
    url: instance.origin,
    model_name: ["demo", "other"],
  });
  const ask = async (path: string) => {
    const response = await fetch(gateway.url + path);
    await response.body?.cancel();
    return response.status;
  };
  for (const path of ["/version", "/tokenizer_info", "/ping"]) {
    assert.equal(await ask(path), 400, "two models");
    assert.equal(await ask(`${path}?model=other`), 200);
    assert.equal(await ask(`${path}?model=none`), 404);
  }
});

Deno.test("a client's word for a response asks an instance for a response, and for nothing else", async () => {
  await using instance = startUpstream(() => Response.json({}, { status: 404 }));
  await using gateway = await quietGatewayFor(instance.url);
  for (const id of ["../../server_info", "resp_1/../../../x?y=", "\ud800", "a b"]) {
    const body = JSON.stringify({ ...BODY, previous_response_id: id });
    const response = await gateway.post("/v1/responses", JSON.parse(body));
    assert.ok(response.status < 500, await response.text());
  }
  const asked = instance.seen.filter(({ method }) => method === "GET").map(({ path }) => path);
  assert.equal(asked.length, 4);
  for (const path of asked) assert.match(path, /^\/v1\/responses\/[^/]+$/);
});

Deno.test("posts below /v1/responses go by their model; ids with slashes are found", async () => {
  await using instance = startUpstream();
  const name = "org/100%/模型";
  await using gateway = await quietGatewayFor({
    url: instance.origin,
    model_name: [name, "demo"],
  });
  for (const path of ["render", "input_tokens", "compact"]) {
    const response = await gateway.post(`/v1/responses/${path}`, BODY);
    await response.body?.cancel();
    assert.equal(response.status, 200, path);
  }
  const model = await fetch(`${gateway.url}/v1/models/${encodeURIComponent(name)}`);
  assert.equal((await model.json()).id, name);
});

Deno.test("TRACE and CONNECT stop here, whichever listener takes them", async () => {
  await using instance = startUpstream();
  for (const listener of ["http1", "deno_serve"]) {
    await using gateway = await quietGatewayFor({ url: instance.origin, api_key: "KEY" }, {
      listener,
    });
    const port = Number(new URL(gateway.url).port);
    const asked = instance.seen.length;
    for (const line of ["TRACE /v1/chat/completions", "CONNECT a.example:443"]) {
      const parts = [`${line} HTTP/1.1\r\nhost: a\r\n\r\n`];
      const { status } = await rawRequest({
        port,
        parts,
        until: ({ status }) => status !== null,
      });
      assert.ok(status !== null && status >= 400, `${listener}: ${line}: ${status}`);
    }
    assert.equal(instance.seen.length, asked);
  }
});

Deno.test("strangers do not learn from /health where the instances are", async () => {
  await using instance = startUpstream();
  await using gateway = await quietGatewayFor({ url: instance.origin, name: "gpu-1" });
  const health = async (headers: Record<string, string>) =>
    (await (await fetch(`${gateway.url}/health`, { headers })).json()).instances[0];
  assert.equal((await health({})).url, instance.origin);
  const strange = await health({ "x-forwarded-for": "10.0.0.5" });
  assert.equal(strange.name, "gpu-1");
  assert.equal(strange.url, undefined);
});

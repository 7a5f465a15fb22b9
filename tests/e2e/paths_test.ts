// Where requests go on an instance, and that nothing of the instance's own place comes back.

import assert from "node:assert/strict";
import { startGateway } from "../support/processes.ts";
import { rawRequest } from "../support/raw_http.ts";
import { waitFor } from "../support/wait.ts";
import { startEcho } from "./echo_instance.ts";

const BODY = { model: "demo", messages: [], input: "x", prompt: "x" };

function gatewayFor(url: string, more: Record<string, unknown> = {}) {
  return startGateway({
    config: {
      instances: [{ url, model_name: "demo", ...more }],
      health_check: false,
      retry: { max_wait: 0 },
    },
  });
}

Deno.test("an instance behind a prefix gets all its requests below it", async () => {
  await using instance = startEcho();
  for (const base of ["/qwen/v1", "/qwen"]) {
    await using gateway = await gatewayFor(instance.url + base);
    for (
      const [path, expected] of [
        ["/v1/chat/completions", "/qwen/v1/chat/completions"],
        ["/tokenize", "/qwen/tokenize"],
        ["/v2/rerank?a=/b", "/qwen/v2/rerank?a=/b"],
      ]
    ) {
      await (await gateway.post(path, BODY)).body?.cancel();
      assert.equal(instance.asked.at(-1)!.target, expected);
    }
  }
});

Deno.test("the health check of an instance behind a prefix asks below it, too", async () => {
  await using instance = startEcho();
  await using _gateway = await startGateway({
    config: {
      instances: [{ url: `${instance.url}/qwen/v1`, model_name: "demo" }],
      health_check: { interval: 0.05 },
    },
  });
  const isAsked = () => instance.asked.some(({ target }) => target === "/qwen/health");
  await waitFor(isAsked, "the question below the prefix");
});

Deno.test("a redirect names the gateway's own paths, never the instance", async () => {
  await using instance = startEcho();
  await using gateway = await gatewayFor(`${instance.url}/qwen/v1`);
  const location = async (value: string) => {
    instance.answer = () => new Response(null, { status: 307, headers: { location: value } });
    const response = await gateway.post("/v1/chat/completions/", BODY, { redirect: "manual" });
    await response.body?.cancel();
    return response.headers.get("location");
  };
  assert.equal(await location(`${instance.url}/qwen/v1/x?a=b#c`), "/v1/x?a=b#c");
  assert.equal(await location(`https://127.0.0.1:${instance.port}/qwen/v1/x`), "/v1/x");
  assert.equal(await location(`//127.0.0.1:${instance.port}/other`), "/other");
  assert.equal(await location("/qwen/v1/x"), "/v1/x");
  assert.equal(await location("x"), "x");
  assert.equal(await location("https://files.example.com/x"), "https://files.example.com/x");
});

Deno.test("what a model says of itself is asked for without a body", async () => {
  await using instance = startEcho();
  await using gateway = await gatewayFor(instance.url, { model_name: ["demo", "other"] });
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

Deno.test("posts below /v1/responses go by their model; ids with slashes are found", async () => {
  await using instance = startEcho();
  const name = "org/100%/模型";
  await using gateway = await gatewayFor(instance.url, { model_name: [name, "demo"] });
  for (const path of ["render", "input_tokens", "compact"]) {
    const response = await gateway.post(`/v1/responses/${path}`, BODY);
    await response.body?.cancel();
    assert.equal(response.status, 200, path);
  }
  const model = await fetch(`${gateway.url}/v1/models/${encodeURIComponent(name)}`);
  assert.equal((await model.json()).id, name);
});

Deno.test("TRACE and CONNECT stop here, whichever listener takes them", async () => {
  await using instance = startEcho();
  for (const listener of ["http1", "deno_serve"]) {
    await using gateway = await startGateway({
      config: {
        instances: [{ url: instance.url, model_name: "demo", api_key: "KEY" }],
        health_check: false,
        listener,
      },
    });
    const port = Number(new URL(gateway.url).port);
    const asked = instance.asked.length;
    for (const line of ["TRACE /v1/chat/completions", "CONNECT a.example:443"]) {
      const parts = [`${line} HTTP/1.1\r\nhost: a\r\n\r\n`];
      const { status } = await rawRequest({
        port,
        parts,
        until: ({ status }) => status !== null,
      });
      assert.ok(status !== null && status >= 400, `${listener}: ${line}: ${status}`);
    }
    assert.equal(instance.asked.length, asked);
  }
});

Deno.test("strangers do not learn from /health where the instances are", async () => {
  await using instance = startEcho();
  await using gateway = await gatewayFor(instance.url, { name: "gpu-1" });
  const health = async (headers: Record<string, string>) =>
    (await (await fetch(`${gateway.url}/health`, { headers })).json()).instances[0];
  assert.equal((await health({})).url, instance.url);
  const strange = await health({ "x-forwarded-for": "10.0.0.5" });
  assert.equal(strange.name, "gpu-1");
  assert.equal(strange.url, undefined);
});

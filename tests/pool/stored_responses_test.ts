// A stored response lives in one instance: whoever refers to it must get there, whatever the gateway has
// forgotten and however the instance is.

import assert from "node:assert/strict";
import { healthOf, settled, startGatewayFor } from "../faults/fleet.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { type OddVllm, startOddVllm } from "./odd_vllm.ts";

interface Stand extends AsyncDisposable {
  a: OddVllm;
  b: OddVllm;
  gateway(config: Record<string, unknown>, each?: Record<string, unknown>): Promise<GatewayProcess>;
}

function stand(): Stand {
  const a = startOddVllm("a");
  const b = startOddVllm("b");
  return {
    a,
    b,
    gateway: (config, each = {}) => startGatewayFor([], options(a, b, config, each)),
    async [Symbol.asyncDispose]() {
      await a[Symbol.asyncDispose]();
      await b[Symbol.asyncDispose]();
    },
  };
}

function options(a: OddVllm, b: OddVllm, more: object = {}, each: object = {}) {
  return {
    instances: [
      { url: a.url, model_name: "demo", name: "a", ...each },
      { url: b.url, model_name: "demo", name: "b" },
    ],
    ...more,
  };
}

async function respond(gateway: GatewayProcess, previous?: string) {
  const body = { model: "demo", input: "hi", store: true, previous_response_id: previous };
  return await gateway.post("/v1/responses", body);
}

/** A response that `a` keeps. */
async function keptByA(gateway: GatewayProcess): Promise<string> {
  for (;;) {
    const { id } = await (await respond(gateway)).json();
    if (id.startsWith("resp_a")) return id;
  }
}

for (const workers of [1, 2]) {
  Deno.test(`what the gateway has never heard of is asked for at the instances, ${workers} worker(s)`, async () => {
    await using s = stand();
    s.a.stored.add("resp_before");
    await using gateway = await s.gateway({ workers });
    for (let i = 0; i < 6; i++) {
      const next = await respond(gateway, "resp_before");
      assert.equal(next.status, 200);
      assert.match((await next.json()).id, /^resp_a/);
      const got = await fetch(`${gateway.url}/v1/responses/resp_before`);
      assert.equal(got.status, 200);
      assert.equal(got.headers.get("x-gateway-instance"), "a");
      await got.body?.cancel();
    }
    const looked = s.b.looked.filter((path) => path.startsWith("/v1/responses/"));
    assert.equal(looked.length, 1, "and known from then on");
    await settled(gateway);
  });
}

Deno.test("what nobody has is not found, and everybody was asked", async () => {
  await using s = stand();
  await using gateway = await s.gateway({});
  const got = await fetch(`${gateway.url}/v1/responses/resp_nowhere`);
  assert.equal(got.status, 404);
  // In vLLM's own words.
  assert.deepEqual((await got.json()).error, {
    message: "Response with id 'resp_nowhere' not found.",
    type: "invalid_request_error",
    param: "response_id",
    code: 404,
  });
  for (const { looked } of [s.a, s.b]) assert.ok(looked.includes("/v1/responses/resp_nowhere"));
  const next = await respond(gateway, "resp_nowhere");
  assert.equal(next.status, 404);
  await next.body?.cancel();
});

Deno.test("instances are asked in the client's name, or with their own key", async () => {
  await using s = stand();
  s.a.key = "of-the-client";
  s.a.stored.add("resp_before");
  await using gateway = await s.gateway({});
  const url = `${gateway.url}/v1/responses/resp_before`;
  const unknown = await fetch(url);
  assert.equal(unknown.status, 404);
  await unknown.body?.cancel();
  const got = await fetch(url, { headers: { authorization: "Bearer of-the-client" } });
  assert.equal(got.status, 200);
  await got.body?.cancel();
});

Deno.test("a drained instance gets no new chains, and goes on with those that it keeps", async () => {
  await using s = stand();
  await using gateway = await s.gateway({});
  let id = await keptByA(gateway);
  await gateway.writeConfig(options(s.a, s.b, {}, { weight: 0 }));
  await waitFor(
    async () => (await healthOf(gateway)).instances[0].state === "draining",
    "the drain",
  );
  for (let i = 0; i < 4; i++) {
    const next = await respond(gateway, id);
    assert.equal(next.status, 200);
    id = (await next.json()).id;
    assert.match(id, /^resp_a/);
    assert.match((await (await respond(gateway)).json()).id, /^resp_b/);
  }
  await settled(gateway);
});

Deno.test("a chain waits for its keeper while that has no room", async () => {
  await using s = stand();
  await using gateway = await s.gateway({}, { max_concurrency: 1 });
  const id = await keptByA(gateway);
  const { promise, resolve } = Promise.withResolvers<void>();
  s.a.hold = promise;
  const first = respond(gateway, id);
  await waitFor(
    async () => (await healthOf(gateway)).instances[0].in_flight === 1,
    "it to be full",
  );
  const second = respond(gateway, id);
  await waitFor(async () => (await healthOf(gateway)).waiting === 1, "the second to wait");
  // Those who take anybody are not held up by it.
  assert.match((await (await respond(gateway)).json()).id, /^resp_b/);
  resolve();
  for (const response of await Promise.all([first, second])) {
    assert.equal(response.status, 200);
    assert.match((await response.json()).id, /^resp_a/);
  }
  await settled(gateway);
});

Deno.test("a model that a reload takes away while its keeper is looked for is not there", async () => {
  await using s = stand();
  const looked = Promise.withResolvers<void>();
  s.a.holdLooks = looked.promise;
  s.a.stored.add("resp_before");
  await using gateway = await s.gateway({});
  const asked = respond(gateway, "resp_before");
  await waitFor(() => s.a.looked.some((path) => path.endsWith("/resp_before")), "the look");
  const { instances } = options(s.a, s.b);
  await gateway.writeConfig({ instances: instances.map((one) => ({ ...one, model_name: "new" })) });
  const listed = async () => await (await fetch(`${gateway.url}/v1/models`)).text();
  await waitFor(async () => !(await listed()).includes('"demo"'), "the reload");
  looked.resolve();
  const answer = await asked;
  assert.equal(answer.status, 404);
  assert.match((await answer.json()).error.message, /`demo` does not exist/);
});

Deno.test("32: what an instance kept that was taken out of the configuration is not found, and nobody else is asked", async () => {
  await using s = stand();
  await using gateway = await s.gateway({});
  const id = await keptByA(gateway);
  await gateway.writeConfig({ instances: options(s.a, s.b).instances.slice(1) });
  await waitFor(async () => (await healthOf(gateway)).instances.length === 1, "the reload");
  const before = s.b.asked.length;
  const next = await respond(gateway, id);
  assert.equal(next.status, 404);
  assert.match((await next.json()).error.message, /the instance that keeps it is gone/);
  const got = await fetch(`${gateway.url}/v1/responses/${id}`);
  assert.equal(got.status, 404);
  assert.match(await got.text(), /the instance that keeps it is gone/);
  assert.equal(s.b.asked.length, before);
});

Deno.test("32: what a dead instance keeps is answered by nobody else, with that reason", async () => {
  await using s = stand();
  await using gateway = await s.gateway({ retry: { max_wait: 0 } });
  const id = await keptByA(gateway);
  await s.a[Symbol.asyncDispose]();
  const before = s.b.asked.length;
  const next = await respond(gateway, id);
  assert.equal(next.status, 502);
  assert.match((await next.json()).error.message, /^Only a keeps what the request refers to/);
  assert.equal(s.b.asked.length, before);
  assert.equal((await respond(gateway)).status, 200, "a new chain begins elsewhere");
});

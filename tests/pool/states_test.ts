// Instances that say 200 to /health and are of no use all the same: hung, asleep, paused, shutting down,
// misconfigured. What a client meets, what /health and the alerts say.

import assert from "node:assert/strict";
import { chatBody, healthOf, settled, startGatewayFor } from "../faults/fleet.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { chatText, readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { type OddVllm, startOddVllm } from "./odd_vllm.ts";

interface Stand extends AsyncDisposable {
  a: OddVllm;
  b: OddVllm;
  gateway: GatewayProcess;
  config: Record<string, unknown>;
  /** Waits until an instance is in that state. */
  becomes(name: "a" | "b", state: string): Promise<void>;
  /** Asks for a stream; the instance that answered it. */
  ask(): Promise<string>;
}

async function stand(
  more: Record<string, unknown> = {},
  prepare: (a: OddVllm, b: OddVllm) => void = () => {},
  each: Record<string, unknown> = {},
): Promise<Stand> {
  const a = startOddVllm("a");
  const b = startOddVllm("b");
  prepare(a, b);
  const config = {
    instances: [
      { url: a.url, model_name: "demo", name: "a", ...each },
      { url: b.url, model_name: "demo", name: "b", ...each },
    ],
    health_check: { interval: 0.2 },
    slow_start: 0,
    ejection_time: 1,
    ...more,
  };
  const gateway = await startGatewayFor([], config);
  const state = async (name: string) =>
    (await healthOf(gateway)).instances.find((one) => one.name === name)!.state;
  return {
    a,
    b,
    gateway,
    config,
    becomes: (name, wanted) =>
      waitFor(async () => await state(name) === wanted, `${name} to be ${wanted}`),
    async ask() {
      const response = await gateway.post("/v1/chat/completions", chatBody({ stream: true }));
      assert.equal(response.status, 200);
      return chatText(await readSse(response)).content;
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await a[Symbol.asyncDispose]();
      await b[Symbol.asyncDispose]();
    },
  };
}

for (const workers of [1, 2]) {
  Deno.test(`a hung engine is out after the first request that it swallowed, ${workers} worker(s)`, async () => {
    await using s = await stand({ hung_after: 1, ejection_time: 60, workers });
    assert.deepEqual(new Set([await s.ask(), await s.ask()]), new Set(["a", "b"]));
    s.a.isHung = true;
    const before = s.a.asked.length;
    // Two that it swallows, and others that are answered meanwhile.
    const waiting = Array.from({ length: 4 }, () => s.ask());
    await waitFor(() => s.a.asked.length > before, "a request to be swallowed");
    for (let i = 0; i < 200 && (await healthOf(s.gateway)).instances[0].state !== "hung"; i++) {
      await Promise.race([s.ask(), new Promise((resolve) => setTimeout(resolve, 50))]);
    }
    await s.becomes("a", "hung");
    for (const name of await Promise.all(waiting)) assert.equal(name, "b");
    const swallowed = s.a.asked.slice(before);
    await waitFor(() => swallowed.every(({ aborted }) => aborted), "all that waited to leave");
    const asked = s.a.asked.length;
    for (let i = 0; i < 6; i++) assert.equal(await s.ask(), "b");
    assert.equal(s.a.asked.length, asked, "nothing more is sent there");
    await s.gateway.process.waitForOutput(/instance_hung.*nothing came of a request/);
    await settled(s.gateway);
  });
}

Deno.test("a hung engine that works again is back by one probe", async () => {
  await using s = await stand({ hung_after: 0.5 });
  s.a.isHung = true;
  const waiting = [s.ask(), s.ask()];
  await waitFor(() => s.a.asked.length === 1, "a request to be swallowed");
  while ((await healthOf(s.gateway)).instances[0].state === "healthy") {
    await s.gateway.post("/v1/chat/completions", chatBody()).then((r) => r.body?.cancel());
    await Promise.race([s.ask(), new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  assert.deepEqual(await Promise.all(waiting), ["b", "b"]);
  s.a.isHung = false;
  await waitFor(async () => await s.ask() === "a", "the probe");
  await s.becomes("a", "healthy");
  await settled(s.gateway);
});

for (
  const [what, sleep] of [
    ["asleep, as /is_sleeping says", (a: OddVllm) => a.isSleeping = true],
    ["paused, as /is_paused says", (a: OddVllm) => a.isPaused = true],
  ] as const
) {
  Deno.test(`an instance that is ${what}, is not asked, and is back when it wakes`, async () => {
    await using s = await stand({}, (a) => a.isSleeping = false);
    await s.becomes("a", "healthy");
    sleep(s.a);
    // As a vLLM that sleeps: requests hang, /health is 200.
    s.a.isHung = true;
    await s.becomes("a", "asleep");
    for (let i = 0; i < 4; i++) assert.equal(await s.ask(), "b");
    await s.gateway.process.waitForOutput(/instance_asleep/);
    s.a.isSleeping = s.a.isPaused = s.a.isHung = false;
    await s.becomes("a", "healthy");
    assert.deepEqual(new Set([await s.ask(), await s.ask()]), new Set(["a", "b"]));
    await s.gateway.process.waitForOutput(/instance_recovered/);
    await settled(s.gateway);
  });
}

Deno.test("an instance is asleep when its metrics say so, where it has no other way", async () => {
  await using s = await stand({}, (a) => a.awake = 0);
  await s.becomes("a", "asleep");
  for (let i = 0; i < 4; i++) assert.equal(await s.ask(), "b");
  s.a.awake = 1;
  await s.becomes("a", "healthy");
  const pages = s.a.looked.filter((path) => path === "/metrics").length;
  const checks = s.a.looked.filter((path) => path === "/health").length;
  assert.ok(pages < checks / 3, `${pages} pages of metrics in ${checks} checks`);
  assert.equal(
    s.b.looked.filter((path) => path === "/metrics").length,
    1,
    "b has none: asked once",
  );
});

Deno.test("who waits at an instance that falls asleep goes elsewhere at once", async () => {
  await using s = await stand({ timeouts: { first_byte: 600 } }, (a) => a.isSleeping = false);
  await s.becomes("a", "healthy");
  s.a.isHung = true;
  const waiting = [s.ask(), s.ask()];
  await waitFor(() => s.a.asked.length === 1, "a request to wait there");
  s.a.isSleeping = true;
  assert.deepEqual(await Promise.all(waiting), ["b", "b"]);
  await settled(s.gateway);
});

Deno.test("an instance that shuts down is out with its first refusal, and back by a probe", async () => {
  await using s = await stand({ error_threshold: 1000 });
  s.a.isShuttingDown = true;
  for (let i = 0; i < 6; i++) assert.equal(await s.ask(), "b");
  assert.equal(s.a.asked.length, 1);
  await s.gateway.process.waitForOutput(/instance_down.*it is shutting down/);
  s.a.isShuttingDown = false;
  await waitFor(async () => await s.ask() === "a", "the probe");
  await s.becomes("a", "healthy");
  await settled(s.gateway);
});

Deno.test("a key that an instance refuses is found at the start, and told in its words", async () => {
  await using s = await stand({}, (a) => a.key = "right", { api_key: "wrong" });
  await s.becomes("a", "misconfigured");
  for (let i = 0; i < 4; i++) assert.equal(await s.ask(), "b");
  assert.equal(s.a.asked.length, 0);
  await s.gateway.process.waitForOutput(/instance_misconfigured.*api_key.*401/);
  assert.ok(!s.gateway.output().includes("wrong"), "the key itself is not told");
  // Mended at the instance: the next look at its list finds it.
  s.a.key = "wrong";
  await s.becomes("a", "healthy");
  assert.deepEqual(new Set([await s.ask(), await s.ask()]), new Set(["a", "b"]));
  await s.gateway.process.waitForOutput(/instance_recovered/);
});

Deno.test("a model that a vLLM does not list takes it out, until a reload names the right one", async () => {
  await using s = await stand({}, (a) => a.models = ["other"]);
  await s.becomes("a", "misconfigured");
  for (let i = 0; i < 4; i++) assert.equal(await s.ask(), "b");
  await s.gateway.process.waitForOutput(/instance_misconfigured.*does not serve demo.*other/);
  const [a, b] = s.config.instances as Record<string, unknown>[];
  await s.gateway.writeConfig({
    ...s.config,
    instances: [{ ...a, upstream_model: "other" }, b],
  });
  await s.becomes("a", "healthy");
});

Deno.test("a server that is no vLLM may serve what it does not list", async () => {
  await using s = await stand({}, (a) => {
    a.models = ["whatever"];
    a.owner = "library";
  });
  await waitFor(() => s.a.looked.includes("/v1/models"), "its list to be read");
  await waitFor(() => s.a.looked.filter((path) => path === "/health").length > 3, "more checks");
  await s.becomes("a", "healthy");
  assert.deepEqual(new Set([await s.ask(), await s.ask()]), new Set(["a", "b"]));
});

Deno.test("of an instance with several models one that is missing does not cost the others", async () => {
  await using s = await stand({}, (a) => a.models = ["demo", "base"], {
    model_name: ["demo", "adapter"],
  });
  await waitFor(() => s.a.looked.includes("/v1/models"), "its list to be read");
  await waitFor(() => s.a.looked.filter((path) => path === "/health").length > 3, "more checks");
  await s.becomes("a", "healthy");
});

Deno.test("instances are asked for their models before any request", async () => {
  await using s = await stand();
  await waitFor(
    () => [s.a, s.b].every(({ looked }) => looked.includes("/v1/models")),
    "both to be asked for their models at the start",
  );
});

// The way back of an ejected instance: half-open with one probe request, longer out each time that the
// probe fails, then a slow start.

import assert from "node:assert/strict";
import { type GatewayProcess, variant } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { chatBody, exactRecordsOf, healthOf, settled, startGatewayFor } from "./fleet.ts";
import { type GatedServer, type HeldCall, startGated } from "./gated_server.ts";

interface Stand extends AsyncDisposable {
  /** The instance that fails, and the one that answers at once. */
  weak: GatedServer;
  strong: GatedServer;
  gateway: GatewayProcess;
  config(more: Record<string, unknown>): Record<string, unknown>;
  ask(init?: RequestInit): Promise<Response>;
  /** State of the weak one. */
  state(): Promise<string>;
  becomes(state: string): Promise<void>;
  /** Sends requests until one is held by the weak instance; the ones before are answered. */
  reachWeak(init?: RequestInit): Promise<{ call: HeldCall; answer: Promise<Response> }>;
}

/** ejection_time: how long the first ejection lasts. */
const FIRST_S = 0.3;

async function stand(
  more: Record<string, unknown> = {},
  each: Record<string, unknown> = {},
): Promise<Stand> {
  const weak = startGated();
  const strong = startGated();
  strong.open();
  const instances = [weak, strong].map(({ url }, index) => ({
    url,
    model_name: "demo",
    name: ["weak", "strong"][index],
    ...each,
  }));
  const options = {
    instances,
    error_threshold: 1,
    ejection_time: FIRST_S,
    slow_start: 0,
    health_check: false,
    ...more,
  };
  const gateway = await startGatewayFor([], options);
  const ask = (init?: RequestInit) => gateway.post("/v1/chat/completions", chatBody(), init);
  const state = async () => (await healthOf(gateway)).instances[0].state;
  return {
    weak,
    strong,
    gateway,
    config: (changes) => ({ ...variant().config, ...options, ...changes }),
    ask,
    state,
    becomes: (wanted) =>
      waitFor(async () => await state() === wanted, `the weak instance to be ${wanted}`),
    async reachWeak(init) {
      const before = weak.calls.length;
      for (;;) {
        const answer = ask(init);
        answer.catch(() => {
          // A client that leaves: its test looks at that.
        });
        let done = false;
        answer.finally(() => done = true).catch(() => {});
        await waitFor(() => done || weak.calls.length > before, "the request to get somewhere");
        if (weak.calls.length > before) return { call: weak.calls[before], answer };
        assert.equal((await answer).status, 200);
        await (await answer).body?.cancel();
      }
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await weak[Symbol.asyncDispose]();
      await strong[Symbol.asyncDispose]();
    },
  };
}

/** Answers a held request as `status`; the client has its answer in any case. */
async function end(
  { call, answer }: { call: HeldCall; answer: Promise<Response> },
  status: number,
): Promise<void> {
  call.release(status);
  const response = await answer;
  assert.equal(response.status, status === 400 ? 400 : 200, await response.text());
}

Deno.test("half-open lets one probe request in, the others go elsewhere", async () => {
  await using s = await stand();
  await end(await s.reachWeak(), 500);
  assert.notEqual(await s.state(), "healthy");
  await s.becomes("half_open");
  const probe = await s.reachWeak();
  const asked = s.weak.calls.length;
  for (const answer of await Promise.all(Array.from({ length: 12 }, () => s.ask()))) {
    assert.equal(answer.headers.get("x-gateway-instance"), "strong");
    await answer.body?.cancel();
  }
  assert.equal(s.weak.calls.length, asked, "not one more while the probe is out");
  assert.equal(await s.state(), "half_open");
  await end(probe, 200);
  assert.equal(await s.state(), "healthy");
  await s.gateway.process.waitForOutput(/instance_ejected[^]*instance_recovered/);
  await settled(s.gateway);
});

Deno.test("a probe that fails ejects for longer, each time twice as long", async () => {
  await using s = await stand();
  const outForMs: number[] = [];
  for (let ejection = 0; ejection < 3; ejection++) {
    const held = await s.reachWeak();
    const since = performance.now();
    await end(held, 500);
    await s.becomes("half_open");
    outForMs.push(performance.now() - since);
  }
  console.log(`    out for ${outForMs.map(Math.round).join(", ")} ms`);
  for (const [ejection, ms] of outForMs.entries()) {
    const least = FIRST_S * 1000 * 2 ** ejection;
    // Timers of two processes: a millisecond may be lost in between.
    assert.ok(ms >= least - 5, `ejection ${ejection + 1} is over after ${ms} ms, not ${least}`);
  }
  // Once it has proved itself, the next ejection is a short one again.
  await end(await s.reachWeak(), 200);
  assert.equal(await s.state(), "healthy");
  await end(await s.reachWeak(), 500);
  await s.becomes("half_open");
  await end(await s.reachWeak(), 200);
  assert.equal(await s.state(), "healthy");
  await settled(s.gateway);
});

for (const status of [400, 429]) {
  Deno.test(`a probe that ends with ${status} frees the half-open slot and decides nothing`, async () => {
    await using s = await stand();
    await end(await s.reachWeak(), 500);
    await s.becomes("half_open");
    for (let i = 0; i < 3; i++) {
      await end(await s.reachWeak(), status);
      assert.equal(await s.state(), "half_open");
    }
    await end(await s.reachWeak(), 200);
    assert.equal(await s.state(), "healthy");
    await settled(s.gateway);
  });
}

Deno.test("a client that leaves during its probe frees the half-open slot", async () => {
  await using s = await stand();
  await end(await s.reachWeak(), 500);
  await s.becomes("half_open");
  for (let i = 0; i < 3; i++) {
    const leaver = new AbortController();
    const { call, answer } = await s.reachWeak({ signal: leaver.signal });
    leaver.abort();
    await assert.rejects(answer, { name: "AbortError" });
    await waitFor(() => call.aborted, "the instance to be told");
    await settled(s.gateway);
    assert.equal(await s.state(), "half_open");
  }
  await end(await s.reachWeak(), 200);
  assert.equal(await s.state(), "healthy");
  await settled(s.gateway);
});

Deno.test("a reload in the middle of an ejection changes nothing about it", async () => {
  await using s = await stand({ ejection_time: 60 });
  await end(await s.reachWeak(), 500);
  await s.gateway.writeConfig(s.config({ ejection_time: 60, alert_cooldown: 7 }));
  await s.gateway.process.waitForOutput(/configuration reloaded/);
  assert.equal(await s.state(), "ejected");
  const asked = s.weak.calls.length;
  for (let i = 0; i < 6; i++) await (await s.ask()).body?.cancel();
  assert.equal(s.weak.calls.length, asked);
  await settled(s.gateway);
});

Deno.test("a recovered instance starts slowly and gets its full share in the end", async () => {
  await using s = await stand({ slow_start: 600 });
  await end(await s.reachWeak(), 500);
  await s.becomes("half_open");
  await end(await s.reachWeak(), 200);
  assert.equal(await s.state(), "slow_start");
  s.weak.open();
  const share = async () => {
    const before = s.weak.calls.length;
    for (let i = 0; i < 44; i++) await (await s.ask()).body?.cancel();
    return s.weak.calls.length - before;
  };
  // A tenth of its weight in the first minute: one request of eleven, one turn more or less by its past.
  const slow = await share();
  assert.ok(slow >= 3 && slow <= 5, `${slow} of 44`);
  // The same recovery seen with shorter slow starts is further on: the weight ramps.
  await s.gateway.writeConfig(s.config({ slow_start: 0.1 }));
  await s.becomes("healthy");
  const full = await share();
  assert.ok(full >= 21 && full <= 23, `${full} of 44`);
  await settled(s.gateway);
});

Deno.test("a slow start respects max_concurrency of both", async () => {
  await using s = await stand({ slow_start: 600 }, { max_concurrency: 1 });
  await end(await s.reachWeak(), 500);
  await s.becomes("half_open");
  await end(await s.reachWeak(), 200);
  assert.equal(await s.state(), "slow_start");
  const before = s.weak.calls.length;
  // The strong one has no room for the second, which goes to the warming one; the third waits.
  s.strong.shut();
  const strongBefore = s.strong.calls.length;
  const answers = [s.ask(), s.ask(), s.ask()];
  await s.weak.came(before + 1);
  await s.strong.came(strongBefore + 1);
  await waitFor(async () => (await healthOf(s.gateway)).waiting === 1, "the third to wait");
  s.weak.open();
  s.strong.open();
  for (const answer of await Promise.all(answers)) {
    assert.equal(answer.status, 200);
    await answer.body?.cancel();
  }
  assert.deepEqual([s.weak.most, s.strong.most], [1, 1]);
  await settled(s.gateway);
  const answered = s.weak.calls.length + s.strong.calls.length;
  // One of them was the failure, which another instance made up for.
  await exactRecordsOf(s.gateway, answered - 1, 0);
});

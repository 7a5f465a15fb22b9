// Taking an instance out on purpose: with weight 0, or by removing it from the file, it gets no new
// request and its running answers end in peace.

import assert from "node:assert/strict";
import { chatText, readSse } from "../support/sse.ts";
import { startSimulators, variant } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { type Fleet, startFleet } from "./fleet.ts";

const slow = ["--tokens-per-second", "27", "--tokens", "40"];

/** Streams of which the first piece has come, `each` on either instance. */
async function streams(fleet: Fleet, each: number) {
  const begun = await Promise.all(
    Array.from({ length: 2 * each }, () => fleet.chat({ stream: true, max_tokens: 40 })),
  );
  assert.deepEqual(await fleet.counts(), [each, each]);
  return begun.map(readSse);
}

function entries(fleet: Fleet) {
  return fleet.simulators.urls.map((url, index) => ({
    url,
    model_name: "demo",
    name: `sim-${index}`,
  }));
}

async function reload(fleet: Fleet, instances: Record<string, unknown>[]): Promise<void> {
  const before = fleet.gateway.output().split("configuration reloaded").length;
  await fleet.gateway.writeConfig({ ...variant().config, health_check: false, instances });
  await waitFor(
    () => fleet.gateway.output().split("configuration reloaded").length > before,
    "the reload",
  );
}

/** Sends requests until `count` of them were answered by an instance other than sim-0. */
async function assertNoneToFirst(fleet: Fleet, count: number): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: count }, () => fleet.chat({ max_tokens: 1 })),
  );
  for (const answer of answers) {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("x-gateway-instance"), "sim-1");
    await answer.body?.cancel();
  }
}

async function assertWhole(answers: ReturnType<typeof readSse>[]): Promise<void> {
  for (const answer of await Promise.all(answers)) {
    assert.equal(answer.error, null);
    assert.ok(answer.done);
    assert.equal(chatText(answer).finishReason, "length");
  }
}

/** Waits until every worker has taken the new configuration over, by what /health says of an instance. */
async function everywhere(fleet: Fleet, state: string | null, of = "sim-0"): Promise<void> {
  let row = 0;
  // Each fetch may meet another worker; many in a row have met each.
  await waitFor(async () => {
    const found = (await fleet.health()).instances.find(({ name }) => name === of);
    row = (found?.state ?? null) === state ? row + 1 : 0;
    return row >= 10;
  }, `${of} to be ${state}`);
}

Deno.test("weight 0: running answers end, new requests go elsewhere, and back again", async () => {
  await using fleet = await startFleet({ simulate: slow });
  const running = await streams(fleet, 3);
  const [first, second] = entries(fleet);
  await fleet.frozen(async () => {
    await reload(fleet, [{ ...first, weight: 0 }, second]);
    await everywhere(fleet, "draining");
    assert.equal((await fleet.health()).instances[0].in_flight, 3, "its requests still count");
  });
  await assertNoneToFirst(fleet, 8);
  await assertWhole(running);
  assert.deepEqual(await fleet.counts(), [3, 11]);
  assert.ok((await fleet.asked(0)).every(({ aborted }) => !aborted));
  await fleet.settled();

  await reload(fleet, [first, second]);
  await everywhere(fleet, "healthy");
  for (let i = 0; i < 4; i++) await (await fleet.chat({ max_tokens: 1 })).body?.cancel();
  assert.deepEqual(await fleet.counts(), [5, 13]);
  await fleet.records(18, 0);
  await fleet.settled();
});

Deno.test("removal from the file: running answers end, new requests go elsewhere", async () => {
  await using fleet = await startFleet({ simulate: slow });
  const running = await streams(fleet, 3);
  await fleet.frozen(async () => {
    await reload(fleet, entries(fleet).slice(1));
    await everywhere(fleet, null);
  });
  await assertNoneToFirst(fleet, 8);
  await assertWhole(running);
  assert.deepEqual(await fleet.counts(), [3, 11]);
  assert.ok((await fleet.asked(0)).every(({ aborted }) => !aborted));
  await fleet.records(14, 0);
  await fleet.settled();
});

Deno.test("removed and put back while its answers run, an instance keeps its count", async () => {
  await using fleet = await startFleet({ simulate: slow });
  const running = await streams(fleet, 3);
  await fleet.frozen(async () => {
    await reload(fleet, entries(fleet).slice(1));
    await everywhere(fleet, null);
    await reload(fleet, entries(fleet));
    await everywhere(fleet, "healthy");
    assert.equal((await fleet.health()).instances[0].in_flight, 3);
  });
  await assertWhole(running);
  await fleet.records(6, 0);
  await fleet.settled();
});

Deno.test("all weights 0: 503 that says so, running answers end", async () => {
  await using fleet = await startFleet({ simulate: slow });
  const running = await streams(fleet, 1);
  await fleet.frozen(async () => {
    await reload(fleet, entries(fleet).map((entry) => ({ ...entry, weight: 0 })));
    await everywhere(fleet, "draining");
  });
  const refused = await fleet.chat();
  assert.equal(refused.status, 503);
  assert.match((await refused.json()).error.message, /No instance of model `demo` takes requests/);
  const health = await fetch(`${fleet.gateway.url}/health`);
  assert.equal(health.status, 503);
  await health.body?.cancel();
  await assertWhole(running);
  assert.deepEqual(await fleet.counts(), [1, 1]);
  await fleet.settled();
});

Deno.test("a stream whose drained instance dies continues on the others", async () => {
  await using fleet = await startFleet({ simulate: slow });
  await fleet.simulators.fail(0, "cut:20");
  const running = await streams(fleet, 2);
  await fleet.frozen(async () => {
    await reload(fleet, entries(fleet).slice(1));
    await everywhere(fleet, null);
  });
  await assertWhole(running);
  // Two streams of their own, and two that are gone on with after a question about their tokens.
  assert.deepEqual(await fleet.counts(), [2, 6]);
  await fleet.records(4, 0);
  await fleet.settled();
});

Deno.test("what breaks does not go on at an instance that was drained meanwhile", async () => {
  await using fleet = await startFleet({ count: 3, simulate: slow });
  await fleet.simulators.fail(0, "cut:20");
  const begun = await Promise.all(
    Array.from({ length: 12 }, () => fleet.chat({ stream: true, max_tokens: 40 })),
  );
  assert.deepEqual(await fleet.counts(), [4, 4, 4]);
  await fleet.frozen(async () => {
    const [first, second, third] = entries(fleet);
    await reload(fleet, [first, { ...second, weight: 0 }, third]);
    await everywhere(fleet, "draining", "sim-1");
  });
  await assertWhole(begun.map(readSse));
  const [, drained, other] = await fleet.counts();
  assert.equal(drained, 4);
  assert.ok(other > 4, `${other}`);
});

for (const stream of [true, false]) {
  const what = stream ? "streams" : "whole answers";
  Deno.test(`${what} of a fleet that is replaced as a whole come from the new one`, async () => {
    await using fleet = await startFleet({ simulate: slow });
    await using others = await startSimulators({ count: 2, args: ["--tokens", "40"] });
    const [began, answers] = stream ? [0, await streams(fleet, 2)] : [4, []];
    const whole = Array.from({ length: began }, () => fleet.chat({ max_tokens: 40 }));
    await waitFor(async () => (await fleet.counts()).every((count) => count === 2), "all to begin");
    await reload(
      fleet,
      others.urls.map((url, index) => ({ url, model_name: "demo", name: `new-${index}` })),
    );
    await everywhere(fleet, null);
    await fleet.simulators.stop();
    await assertWhole(answers);
    for (const answer of await Promise.all(whole)) {
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get("x-gateway-instance")!, /^new-/);
      assert.equal((await answer.json()).choices[0].finish_reason, "length");
    }
    const asked = [...await others.requests(0), ...await others.requests(1)];
    assert.ok(asked.length >= 4, `${asked.length}`);
    await fleet.records(4, 0);
    await fleet.settled();
  });
}

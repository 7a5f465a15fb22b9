// Failures of requests take an instance out, and nothing else does: how many, how much of a pool, and
// what never counts. No active checks here; coming back is in recovery_test.ts.

import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";
import { chatText, readSse } from "../support/sse.ts";
import { contentOf, type Fleet, startFleet } from "./fleet.ts";

/** One that is out stays so, however long a test takes. */
const LASTING = { ejection_time: 600, max_ejection_time: 600 };

async function stateOf(fleet: Fleet, index: number): Promise<string> {
  return (await fleet.health()).instances[index].state;
}

/** `count` requests one after the other, each answered. */
async function ask(fleet: Fleet, count: number): Promise<void> {
  for (let i = 0; i < count; i++) assert.ok(await contentOf(await fleet.chat()));
}

async function ejections(fleet: Fleet): Promise<string[]> {
  return [...(await fleet.errorLog()).matchAll(/^.*instance_ejected.*$/gm)].map(([line]) => line);
}

Deno.test("error_threshold failures in a row eject, and no client sees one of them", async () => {
  await using fleet = await startFleet({ config: { ...LASTING, error_threshold: 3 } });
  await fleet.simulators.fail(0, "500");
  await ask(fleet, 12);
  assert.deepEqual(await fleet.counts(), [3, 12], "three failures, made up for elsewhere");
  assert.equal(await stateOf(fleet, 0), "ejected");
  await waitFor(async () => (await ejections(fleet)).length > 0, "the alert");
  const { complete } = await fleet.records(12, 0);
  const errors = complete.flatMap(({ meta }) => meta.attempts ?? []).filter(({ error }) => error);
  assert.deepEqual(errors.map(({ instance }) => instance), ["sim-0", "sim-0", "sim-0"]);
  await fleet.settled();
  await fleet.gateway.stop();
  const told = await ejections(fleet);
  assert.equal(told.length, 1, "told once");
  assert.match(told[0], /sim-0/);
});

for (const fault of ["reset", "close", "cut:3", "error-event:2", "empty", "abort:4"]) {
  Deno.test(`streams that fail (${fault}) eject as well`, async () => {
    await using fleet = await startFleet({ config: { ...LASTING, error_threshold: 2 } });
    await fleet.simulators.fail(0, fault);
    for (let i = 0; i < 8; i++) {
      const answer = await readSse(await fleet.chat({ stream: true }));
      assert.ok(answer.done, "continued or asked elsewhere");
      assert.ok(chatText(answer).finishReason);
    }
    assert.equal((await fleet.counts())[0], 2);
    assert.equal(await stateOf(fleet, 0), "ejected");
    await fleet.records(8, 0);
    await fleet.settled();
  });
}

Deno.test("a failure rate ejects, successes between the failures or not", async () => {
  await using fleet = await startFleet({ config: { ...LASTING, error_threshold: 4 } });
  for (let failure = 1; failure <= 4; failure++) {
    assert.notEqual(await stateOf(fleet, 0), "ejected", `after ${failure - 1} failures`);
    const [before] = await fleet.counts();
    await fleet.simulators.fail(0, "500", { count: 1 });
    // Each instance is asked in turn: a failure and, but for the last time, a success.
    while ((await fleet.counts())[0] < before + (failure < 4 ? 2 : 1)) await ask(fleet, 1);
  }
  assert.equal(await stateOf(fleet, 0), "ejected");
  await fleet.settled();
});

Deno.test("failures that are rare among many answers do not eject", async () => {
  await using fleet = await startFleet({ config: { ...LASTING, error_threshold: 3 } });
  // Three failures among forty answers are less than one in ten.
  for (let failure = 0; failure < 3; failure++) {
    for (let i = 0; i < 26; i++) await (await fleet.chat({ max_tokens: 1 })).body?.cancel();
    await fleet.simulators.fail(0, "500", { count: 1 });
  }
  await ask(fleet, 2);
  const { instances } = await fleet.health();
  assert.equal(instances[0].state, "healthy");
  assert.equal(instances[0].recent_errors, 3);
  await fleet.settled();
});

Deno.test("at most half of a pool is out, however many fail (panic threshold)", async () => {
  await using fleet = await startFleet({ count: 4, config: { ...LASTING, error_threshold: 2 } });
  for (const index of [0, 1, 2]) await fleet.simulators.fail(index, "500");
  await ask(fleet, 24);
  const states = (await fleet.health()).instances.map(({ state }) => state);
  assert.deepEqual(states.filter((state) => state === "ejected").length, 2, `${states}`);
  assert.equal(states[3], "healthy");
  const counts = await fleet.counts();
  assert.equal(counts[3], 24, "every answer came from the one that works");
  // The third goes on being asked: it fails, but may not be taken out.
  assert.deepEqual(
    counts.slice(0, 3).map((count) => count > 2).sort(),
    [false, false, true],
    `${counts}`,
  );
  await waitFor(async () => (await ejections(fleet)).length === 2, "both alerts");
  await fleet.records(24, 0);
  await fleet.settled();
});

Deno.test("a lone instance is never out, whatever it does", async () => {
  await using fleet = await startFleet({
    count: 1,
    config: { ...LASTING, error_threshold: 2, retry: { max_wait: 0 } },
  });
  await fleet.simulators.fail(0, "500", { count: 6 });
  for (let i = 0; i < 6; i++) {
    const response = await fleet.chat();
    assert.equal(response.status, 502);
    await response.body?.cancel();
  }
  assert.equal(await stateOf(fleet, 0), "healthy");
  await ask(fleet, 1);
  await fleet.settled();
});

Deno.test("a lone instance is out when a fallback stands by, which then answers at once", async () => {
  await using fleet = await startFleet({
    count: 1,
    fallbacks: 1,
    config: { ...LASTING, error_threshold: 2, retry: { max_wait: 0 } },
  });
  await fleet.simulators.fail(0, "500");
  await ask(fleet, 6);
  assert.deepEqual(await fleet.counts(), [2, 6]);
  assert.equal(await stateOf(fleet, 0), "ejected");
  await fleet.records(6, 0);
  await fleet.settled();
});

for (const fault of ["400", "429", "429:retry-after=0"]) {
  Deno.test(`${fault} never moves the breaker`, async () => {
    await using fleet = await startFleet({
      config: { ...LASTING, error_threshold: 1, retry: { max_wait: 0 } },
    });
    await fleet.simulators.fail(0, fault);
    for (let i = 0; i < 10; i++) {
      const response = await fleet.chat();
      // A 4xx is the client's and goes to it; a busy instance is left for another one.
      assert.ok([200, Number(fault.slice(0, 3))].includes(response.status), `${response.status}`);
      if (fault !== "400") assert.equal(response.status, 200);
      await response.body?.cancel();
    }
    const { instances: [first] } = await fleet.health();
    assert.equal(first.recent_errors, 0);
    assert.notEqual(first.state, "ejected");
    assert.ok((await fleet.counts())[0] >= 5, "it went on being asked");
    assert.equal((await ejections(fleet)).length, 0);
    await fleet.settled();
  });
}

Deno.test("clients that leave never move the breaker", async () => {
  await using fleet = await startFleet({
    simulate: ["--tokens-per-second", "50", "--tokens", "500"],
    config: { ...LASTING, error_threshold: 1 },
  });
  for (let i = 0; i < 8; i++) {
    const leaver = new AbortController();
    const response = await fleet.chat({ stream: true, max_tokens: 500 }, {
      signal: leaver.signal,
    });
    await response.body!.getReader().read();
    leaver.abort();
  }
  await fleet.settled();
  for (const { state, recent_errors } of (await fleet.health()).instances) {
    assert.deepEqual({ state, recent_errors }, { state: "healthy", recent_errors: 0 });
  }
  for (const index of [0, 1]) {
    await waitFor(
      async () => (await fleet.asked(index)).every(({ aborted }) => aborted),
      `sim-${index} to be told of all that left`,
    );
    assert.equal((await fleet.asked(index)).length, 4);
  }
  await fleet.records(0, 8);
  assert.equal((await ejections(fleet)).length, 0);
});

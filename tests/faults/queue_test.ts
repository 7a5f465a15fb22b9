// More requests than the instances may have at once: they go elsewhere or wait in line, bounded in
// number and time, and a place that is free is given to whoever is first.

import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";
import {
  chatBody,
  errorOf,
  exactRecordsOf,
  healthOf,
  settled,
  startFleet,
  startGatewayFor,
} from "./fleet.ts";
import { type GatedServer, startGated } from "./gated_server.ts";
import type { GatewayProcess } from "../support/processes.ts";

interface Stand extends AsyncDisposable {
  gated: GatedServer[];
  gateway: GatewayProcess;
  /** A request with a name that the instance will see. */
  ask(name: string, init?: RequestInit): Promise<Response>;
  /** Waits until so many requests wait in line. */
  waiting(count: number): Promise<void>;
}

async function stand(
  limits: readonly number[],
  config: Record<string, unknown> = {},
): Promise<Stand> {
  const gated = limits.map(() => startGated());
  const gateway = await startGatewayFor([], {
    instances: gated.map(({ url }, index) => ({
      url,
      model_name: "demo",
      name: `gated-${index}`,
      max_concurrency: limits[index],
    })),
    ...config,
  });
  return {
    gated,
    gateway,
    ask: (name, init) =>
      gateway.post(
        "/v1/chat/completions",
        chatBody({ messages: [{ role: "user", content: name }] }),
        init,
      ),
    waiting: (count) =>
      waitFor(async () => (await healthOf(gateway)).waiting === count, `${count} to wait in line`),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      for (const one of gated) await one[Symbol.asyncDispose]();
    },
  };
}

const names = (server: GatedServer) => server.calls.map(({ name }) => name);

Deno.test("max_concurrency is kept exactly: 40 requests, never more than 3 at once", async () => {
  await using s = await stand([3]);
  const answers = Array.from({ length: 40 }, (_, index) => s.ask(`r${index}`));
  await s.waiting(37);
  await s.gated[0].came(3);
  assert.equal(s.gated[0].calls.length, 3, "the others wait at the gateway");
  // Each place that is given back goes to exactly one who waits.
  for (let done = 0; done < 10; done++) {
    s.gated[0].calls[done].release();
    await s.gated[0].came(4 + done);
    await s.waiting(36 - done);
    assert.equal(s.gated[0].calls.length, 4 + done);
  }
  s.gated[0].open();
  for (const [index, answer] of (await Promise.all(answers)).entries()) {
    const body = await answer.json();
    assert.equal(body.choices[0].message.content, `r${index}`, "each its own answer");
  }
  assert.equal(s.gated[0].most, 3);
  assert.equal(s.gated[0].calls.length, 40, "each was asked once");
  await exactRecordsOf(s.gateway, 40, 0);
  await settled(s.gateway);
});

Deno.test("above max_concurrency a request goes to an instance that has room", async () => {
  await using s = await stand([1, 2]);
  const answers = ["a", "b", "c"].map((name) => s.ask(name));
  await s.gated[0].came(1);
  await s.gated[1].came(2);
  assert.equal((await healthOf(s.gateway)).waiting, 0);
  const fourth = s.ask("d");
  await s.waiting(1);
  s.gated[0].calls[0].release();
  await s.gated[0].came(2);
  assert.deepEqual(names(s.gated[0])[1], "d", "the place that was free first");
  for (const one of s.gated) one.open();
  for (const answer of await Promise.all([...answers, fourth])) {
    assert.equal((await answer.json()).choices.length, 1);
  }
  assert.deepEqual(s.gated.map(({ most }) => most), [1, 2]);
  await exactRecordsOf(s.gateway, 4, 0);
  await settled(s.gateway);
});

Deno.test("who waits is served first come, first served", async () => {
  await using s = await stand([1]);
  const order = ["first", "a", "b", "c", "d", "e"];
  const answers: Promise<Response>[] = [];
  for (const [index, name] of order.entries()) {
    answers.push(s.ask(name));
    if (index === 0) await s.gated[0].came(1);
    await s.waiting(index);
  }
  for (let done = 0; done < order.length; done++) {
    await s.gated[0].came(done + 1);
    s.gated[0].calls[done].release();
  }
  for (const answer of await Promise.all(answers)) await answer.body?.cancel();
  assert.deepEqual(names(s.gated[0]), order);
  assert.equal(s.gated[0].most, 1);
  await exactRecordsOf(s.gateway, 6, 0);
  await settled(s.gateway);
});

Deno.test("x-priority goes before, within a priority first come", async () => {
  await using s = await stand([1]);
  const asked: [name: string, priority: number][] = [
    ["running", 0],
    ["low-1", 0],
    ["low-2", 0],
    ["high-1", 5],
    ["urgent", 9],
    ["high-2", 5],
    ["below", -1],
  ];
  const answers: Promise<Response>[] = [];
  for (const [index, [name, priority]] of asked.entries()) {
    answers.push(s.ask(name, { headers: { "x-priority": String(priority) } }));
    if (index === 0) await s.gated[0].came(1);
    await s.waiting(index);
  }
  for (let done = 0; done < asked.length; done++) {
    await s.gated[0].came(done + 1);
    s.gated[0].calls[done].release();
  }
  for (const answer of await Promise.all(answers)) await answer.body?.cancel();
  assert.deepEqual(
    names(s.gated[0]),
    ["running", "urgent", "high-1", "high-2", "low-1", "low-2", "below"],
  );
  await exactRecordsOf(s.gateway, 7, 0);
  await settled(s.gateway);
});

Deno.test("a full queue refuses at once: 429 with Retry-After", async () => {
  await using s = await stand([1], { queue: { max: 2, deadline: 600 } });
  const served = [s.ask("running")];
  await s.gated[0].came(1);
  for (const name of ["a", "b"]) served.push(s.ask(name));
  await s.waiting(2);
  // Several: with several workers each of them has to know of all that wait.
  for (let i = 0; i < 6; i++) {
    const refused = await s.ask(`c${i}`);
    assert.match(refused.headers.get("retry-after")!, /^[1-9]\d*$/);
    const error = await errorOf(refused, 429, "RateLimitError");
    assert.match(error.message, /`demo` is full \(queue\.max\)/);
  }
  s.gated[0].open();
  for (const answer of await Promise.all(served)) {
    assert.equal(answer.status, 200);
    await answer.body?.cancel();
  }
  assert.deepEqual(names(s.gated[0]).sort(), ["a", "b", "running"]);
  await settled(s.gateway);
  assert.equal((await healthOf(s.gateway)).instances[0].recent_errors, 0);
});

Deno.test("a queue of 0 lets nobody wait", async () => {
  await using s = await stand([1], { queue: { max: 0 } });
  const running = s.ask("running");
  await s.gated[0].came(1);
  await errorOf(await s.ask("refused"), 429, "RateLimitError");
  s.gated[0].open();
  assert.equal((await running).status, 200);
  await (await running).body?.cancel();
  assert.deepEqual(names(s.gated[0]), ["running"]);
  await settled(s.gateway);
});

Deno.test("a deadline that passes ends the wait: 429 with Retry-After", async () => {
  await using s = await stand([1], { queue: { max: 10, deadline: 0.2 } });
  const running = s.ask("running");
  await s.gated[0].came(1);
  const late = await s.ask("late");
  assert.match(late.headers.get("retry-after")!, /^[1-9]\d*$/);
  const error = await errorOf(late, 429, "RateLimitError");
  assert.match(error.message, /waited 0\.2 s \(queue\.deadline\)/);
  s.gated[0].open();
  assert.equal((await running).status, 200);
  await (await running).body?.cancel();
  assert.deepEqual(names(s.gated[0]), ["running"], "nobody was asked for the late one");
  await settled(s.gateway);
});

Deno.test("a waiting client that leaves is gone from the queue at once", async () => {
  await using s = await stand([1], { queue: { max: 2, deadline: 600 } });
  const running = s.ask("running");
  await s.gated[0].came(1);
  const leaver = new AbortController();
  const left = s.ask("leaver", { signal: leaver.signal });
  left.catch(() => {});
  await s.waiting(1);
  const stayed = s.ask("stayed");
  await s.waiting(2);
  leaver.abort();
  await assert.rejects(left, { name: "AbortError" });
  // Its place in line is free while the running request still runs.
  await s.waiting(1);
  const another = s.ask("another");
  await s.waiting(2);
  s.gated[0].open();
  for (const answer of await Promise.all([running, stayed, another])) {
    assert.equal(answer.status, 200);
    await answer.body?.cancel();
  }
  assert.deepEqual(names(s.gated[0]), ["running", "stayed", "another"]);
  await settled(s.gateway);
});

Deno.test("a running client that leaves makes room for one who waits", async () => {
  await using s = await stand([1]);
  const leaver = new AbortController();
  const left = s.ask("leaver", { signal: leaver.signal });
  left.catch(() => {});
  await s.gated[0].came(1);
  const next = s.ask("next");
  await s.waiting(1);
  leaver.abort();
  await assert.rejects(left, { name: "AbortError" });
  await s.gated[0].came(2);
  await waitFor(() => s.gated[0].calls[0].aborted, "the instance to be told");
  s.gated[0].open();
  assert.equal((await (await next).json()).choices[0].message.content, "next");
  await settled(s.gateway);
  assert.equal((await healthOf(s.gateway)).instances[0].recent_errors, 0);
});

Deno.test("a failure of a running request gives its place on, and the request another instance", async () => {
  await using s = await stand([1, 1]);
  const first = s.ask("first");
  const second = s.ask("second");
  await s.gated[0].came(1);
  await s.gated[1].came(1);
  const third = s.ask("third");
  await s.waiting(1);
  const [held] = s.gated[0].calls;
  held.release(500);
  // It may not overtake on the instance that it has tried, and there is no room on the other.
  await s.gated[0].came(2);
  assert.deepEqual(names(s.gated[0]), [held.name, "third"]);
  for (const one of s.gated) one.open();
  for (const answer of await Promise.all([first, second, third])) {
    assert.equal((await answer.json()).choices.length, 1);
  }
  assert.deepEqual(s.gated.map(({ most }) => most), [1, 1]);
  await exactRecordsOf(s.gateway, 3, 0);
  await settled(s.gateway);
});

Deno.test("a full private pool waits; a fallback is for failures", async () => {
  await using fleet = await startFleet({
    count: 1,
    fallbacks: 1,
    each: (index) => index === 0 ? { max_concurrency: 2 } : {},
  });
  const answers = await Promise.all(Array.from({ length: 10 }, () => fleet.chat()));
  for (const answer of answers) {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("x-gateway-instance"), "sim-0");
    await answer.body?.cancel();
  }
  assert.deepEqual(await fleet.counts(), [10, 0]);
  await fleet.records(10, 0);
  await fleet.settled();
});

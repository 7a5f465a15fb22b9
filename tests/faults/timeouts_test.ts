// An instance that is too slow, in each phase: it is left for another one and not asked again, and
// where nobody can answer the client is told which limit was passed.

import assert from "node:assert/strict";
import { startSimulators } from "../support/processes.ts";
import { chatText, readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import {
  chatBody,
  contentOf,
  errorOf,
  exactRecordsOf,
  type Fleet,
  settled,
  startFleet,
  startGatewayFor,
} from "./fleet.ts";
import { startBlackHole } from "./black_hole.ts";
import { chunk, completion, startOddServer, whole } from "./odd_server.ts";

/** Only the first instance has short limits: a slow machine must not fail the healthy one. */
const impatientWithFirst = (timeouts: Record<string, number>) => (index: number) =>
  index === 0 ? { timeouts } : {};

async function assertLeftAlone(fleet: Fleet, index: number): Promise<void> {
  await waitFor(
    async () => (await fleet.asked(index)).every(({ aborted, finished }) => aborted || finished),
    `sim-${index} to be left`,
  );
}

Deno.test("connect: an instance behind a black hole is left for another one", async () => {
  using hole = await startBlackHole();
  await using fleet = await startFleet({
    each: (index) => index === 0 ? { url: hole.url, timeouts: { connect: 0.3 } } : {},
  });
  for (let i = 0; i < 4; i++) {
    assert.ok(await contentOf(await fleet.chat()));
    const answer = await readSse(await fleet.chat({ stream: true }));
    assert.ok(answer.done && chatText(answer).content);
  }
  assert.deepEqual(await fleet.counts(), [0, 8]);
  const { complete } = await fleet.records(8, 0);
  const met = complete.flatMap(({ meta }) => meta.attempts ?? []).filter(({ error }) => error);
  assert.ok(met.length > 0, "some requests met the black hole");
  for (const { error } of met) assert.match(error!, /no connection within 0\.3 s/);
  await fleet.settled();
});

Deno.test("connect: where nobody else can answer, a late connection is waited for", async () => {
  using hole = await startBlackHole();
  await using gateway = await startGatewayFor([hole.url], { timeouts: { connect: 0.2 } });
  const began = performance.now();
  const asked = gateway.post("/v1/chat/completions", chatBody());
  await waitFor(() => performance.now() - began > 800, "the usual limit to pass");
  hole.open(async (conn) => {
    const head = new Uint8Array(4096);
    if (await conn.read(head) === null) return;
    await conn.write(new TextEncoder().encode(whole(completion("late, and here"))));
    // Closed by the gateway, or with it.
    await conn.read(head);
  });
  assert.equal(await contentOf(await asked), "late, and here");
  await exactRecordsOf(gateway, 1, 0);
  await settled(gateway);
});

Deno.test("connect: without another instance the client is told within first_byte, 504", async () => {
  using hole = await startBlackHole();
  await using gateway = await startGatewayFor([hole.url], {
    timeouts: { connect: 0.1, first_byte: 3 },
  });
  const error = await errorOf(
    await gateway.post("/v1/chat/completions", chatBody()),
    504,
    "GatewayTimeoutError",
  );
  // What is left of first_byte when the usual limit has passed.
  const [, seconds] = /sim-0: no connection within ([\d.]+) s/.exec(error.message)!;
  assert.ok(Number(seconds) > 0.1 && Number(seconds) <= 3, error.message);
  assert.ok(!error.message.includes("127.0.0.1"), "without the address");
  await exactRecordsOf(gateway, 0, 1);
  await settled(gateway);
});

for (const fault of ["hang", "hang-headers-sent"]) {
  Deno.test(`first_byte, ${fault}: another instance answers, once`, async () => {
    await using fleet = await startFleet({ each: impatientWithFirst({ first_byte: 0.3 }) });
    await fleet.simulators.fail(0, fault);
    for (let i = 0; i < 3; i++) assert.ok((await readSse(await fleet.chat({ stream: true }))).done);
    const [first, second] = await fleet.counts();
    assert.equal(second, 3);
    assert.ok(first >= 1 && first <= 3, `at most once for each request, not ${first}`);
    await assertLeftAlone(fleet, 0);
    const { complete } = await fleet.records(3, 0);
    const met = complete.filter(({ meta }) => (meta.attempts ?? []).length > 1);
    assert.equal(met.length, first);
    for (const { meta } of met) {
      assert.match(meta.attempts![0].error!, /no answer within 0\.3 s \(timeouts\.first_byte\)/);
    }
    await fleet.settled();
  });
}

Deno.test("answer: a whole answer that takes too long is not asked for twice, nor a failure", async () => {
  await using fleet = await startFleet({
    config: { timeouts: { answer: 0.3, first_byte: 0.1 } },
  });
  for (const index of [0, 1]) await fleet.simulators.fail(index, "hang");
  for (let i = 0; i < 2; i++) {
    const error = await errorOf(await fleet.chat(), 504, "GatewayTimeoutError");
    assert.match(error.message, /no answer within 0\.3 s \(timeouts\.answer\)/);
  }
  const counts = await fleet.counts();
  assert.equal(counts[0] + counts[1], 2, "one instance for each request");
  for (const index of [0, 1]) await assertLeftAlone(fleet, index);
  await fleet.records(0, 2);
  await fleet.settled();
  const health = await fleet.health();
  assert.deepEqual(health.instances.map(({ recent_errors }) => recent_errors), [0, 0]);
});

Deno.test("answer: a server that has sent its head and then nothing stands still, and another is asked", async () => {
  await using fleet = await startFleet({ each: impatientWithFirst({ idle: 0.3 }) });
  await fleet.simulators.fail(0, "hang-headers-sent");
  for (let i = 0; i < 3; i++) assert.ok(await contentOf(await fleet.chat()));
  const { complete } = await fleet.records(3, 0);
  const met = complete.flatMap(({ meta }) => meta.attempts ?? []).filter(({ error }) => error);
  assert.ok(met.length >= 1);
  for (const { error } of met) assert.match(error!, /no progress for 0\.3 s/);
  await assertLeftAlone(fleet, 0);
  await fleet.settled();
});

Deno.test("a whole answer may take longer than the first event of a stream", async () => {
  await using fleet = await startFleet({
    simulate: ["--ttft", "1"],
    config: { timeouts: { first_byte: 0.3 } },
  });
  assert.ok(await contentOf(await fleet.chat()));
  const counts = await fleet.counts();
  assert.equal(counts[0] + counts[1], 1);
  await fleet.settled();
});

Deno.test("first_byte: a frozen instance (SIGSTOP) is left, and used again once it goes on", async () => {
  await using frozen = await startSimulators();
  await using fleet = await startFleet({
    each: (index) => index === 0 ? { url: frozen.urls[0], timeouts: { first_byte: 0.3 } } : {},
  });
  const answeredBy = async () => {
    const response = await fleet.chat({ stream: true });
    assert.ok((await readSse(response)).done);
    return response.headers.get("x-gateway-instance");
  };
  frozen.process.signal("SIGSTOP");
  for (let i = 0; i < 4; i++) assert.equal(await answeredBy(), "sim-1");
  const { complete } = await fleet.records(4, 0);
  const met = complete.flatMap(({ meta }) => meta.attempts ?? []).filter(({ error }) => error);
  assert.ok(met.length >= 1);
  for (const { error } of met) assert.match(error!, /timeouts\.first_byte/);
  frozen.process.signal("SIGCONT");
  await waitFor(async () => await answeredBy() === "sim-0", "it to answer again");
  await fleet.settled();
});

Deno.test("first_byte: a role chunk alone is no answer, and none of it reaches the client", async () => {
  await using silent = await startOddServer((call) => {
    call.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
    call.write(": hello\n\n" + chunk({ role: "assistant", content: "" }));
  });
  await using fleet = await startFleet({
    each: (index) => index === 0 ? { url: silent.url, timeouts: { first_byte: 0.3 } } : {},
  });
  for (let i = 0; i < 2; i++) {
    const answer = await readSse(await fleet.chat({ stream: true }));
    assert.ok(answer.done);
    assert.ok(answer.json.every(({ id }) => id !== "chatcmpl-odd"));
    const roles = answer.json.flatMap(({ choices }) => choices).filter(({ delta }) => delta.role);
    assert.equal(roles.length, 1);
  }
  assert.ok(silent.calls.length >= 1);
  await waitFor(() => silent.calls.every(({ closed }) => closed), "the silent one to be left");
  await fleet.records(2, 0);
  await fleet.settled();
});

Deno.test("first_byte: nobody answers: 504, each asked once, the stream as an error too", async () => {
  await using fleet = await startFleet({ config: { timeouts: { first_byte: 0.3 } } });
  for (const index of [0, 1]) await fleet.simulators.fail(index, "hang");
  const error = await errorOf(await fleet.chat({ stream: true }), 504, "GatewayTimeoutError");
  assert.match(error.message, /No instance of model `demo` could answer/);
  for (const name of ["sim-0", "sim-1"]) {
    assert.match(error.message, new RegExp(`${name}: no answer within 0\\.3 s`));
  }
  assert.deepEqual(await fleet.counts(), [1, 1], "one that timed out is not asked again");
  for (const index of [0, 1]) await assertLeftAlone(fleet, index);
  await fleet.records(0, 1);
  await fleet.settled();
  const health = await fleet.health();
  assert.deepEqual(health.instances.map(({ recent_errors }) => recent_errors), [1, 1]);
});

Deno.test("first_byte: a fallback is asked at once when the pool has timed out", async () => {
  await using fleet = await startFleet({
    fallbacks: 1,
    each: (index) => index < 2 ? { timeouts: { first_byte: 0.3 } } : {},
  });
  for (const index of [0, 1]) await fleet.simulators.fail(index, "hang");
  const response = await fleet.chat({ stream: true });
  assert.equal(response.headers.get("x-gateway-instance"), "paid-0");
  assert.ok((await readSse(response)).done);
  assert.deepEqual(await fleet.counts(), [1, 1, 1]);
  await fleet.settled();
});

Deno.test("idle: a stalled stream that cannot be resumed ends with the reason", async () => {
  await using fleet = await startFleet({
    count: 1,
    config: { timeouts: { idle: 0.3 }, resume: "off" },
  });
  await fleet.simulators.fail(0, "stall:4");
  const answer = await readSse(await fleet.chat({ stream: true }));
  assert.equal(answer.status, 200);
  assert.equal(answer.error, null, "the stream ends in order");
  assert.ok(!answer.done, "without [DONE]");
  const { error } = answer.json.at(-1);
  assert.equal(error.code, 502);
  assert.match(error.message, /sim-0: no progress for 0\.3 s .* \(timeouts\.idle\)/);
  assert.deepEqual(await fleet.counts(), [1]);
  await assertLeftAlone(fleet, 0);
  const { incomplete } = await fleet.records(0, 1);
  assert.match(incomplete[0].meta.error!, /timeouts\.idle/);
  await fleet.settled();
});

Deno.test("idle: a stall inside a JSON answer is asked elsewhere, unseen", async () => {
  await using stalling = await startOddServer((call) =>
    call.write(whole(completion("never whole")).slice(0, -20))
  );
  await using fleet = await startFleet({
    each: (index) => index === 0 ? { url: stalling.url, timeouts: { idle: 0.3 } } : {},
  });
  for (let i = 0; i < 2; i++) assert.notEqual(await contentOf(await fleet.chat()), "never whole");
  assert.equal(stalling.calls.length >= 1, true);
  const { complete } = await fleet.records(2, 0);
  const errors = complete.flatMap(({ meta }) => meta.attempts ?? []).map(({ error }) => error);
  assert.ok(errors.some((error) => /no progress for 0\.3 s/.test(error ?? "")));
  await waitFor(() => stalling.calls.every(({ closed }) => closed), "it to be left");
  await fleet.settled();
});

Deno.test("total: an answer that drags on is given up on that instance", async () => {
  await using dragging = await startOddServer((call) => {
    call.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
    call.write(chunk({ role: "assistant", content: "on" }));
    const going = setInterval(() => {
      if (call.closed) clearInterval(going);
      else call.write(chunk({ content: " and on" }));
    }, 30);
  });
  await using gateway = await startGatewayFor([dragging.url], {
    timeouts: { total: 2 },
    retry: { max_wait: 0.2 },
  });
  const answer = await readSse(
    await gateway.post("/v1/chat/completions", chatBody({ stream: true, max_tokens: 1000 })),
  );
  assert.ok(!answer.done);
  assert.match(chatText(answer).content, /^on and on/);
  assert.match(answer.json.at(-1).error.message, /not finished within 2 s \(timeouts\.total\)/);
  await waitFor(() => dragging.calls.every(({ closed }) => closed), "it to be left");
  assert.equal(dragging.calls.length, 1, "one that timed out is not asked again");
  await exactRecordsOf(gateway, 0, 1);
  await settled(gateway);
});

Deno.test("total: before any answer it is told as 504", async () => {
  await using fleet = await startFleet({ count: 1, config: { timeouts: { total: 0.3 } } });
  await fleet.simulators.fail(0, "hang");
  const error = await errorOf(await fleet.chat(), 504, "GatewayTimeoutError");
  assert.match(error.message, /sim-0: not finished within 0\.3 s \(timeouts\.total\)/);
  await fleet.settled();
});

Deno.test("an instance's own limits replace those for all", async () => {
  await using fleet = await startFleet({
    simulate: ["--ttft", "0.6"],
    config: { timeouts: { first_byte: 0.2 } },
    each: (index) => index === 1 ? { timeouts: { first_byte: 600 } } : {},
  });
  for (let i = 0; i < 2; i++) {
    const response = await fleet.chat({ stream: true });
    assert.equal(response.headers.get("x-gateway-instance"), "sim-1");
    assert.ok((await readSse(response)).done);
  }
  await fleet.settled();
});

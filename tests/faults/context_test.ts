// A prompt that is too long for one instance: it goes where a longer context is known, and where there
// is none the client gets the instance's own words. Nobody is asked in vain, least of all for money.

import assert from "node:assert/strict";
import { type Simulators, startSimulators } from "../support/processes.ts";
import { readSse } from "../support/sse.ts";
import { assertNothingRecorded, contentOf, type Fleet, startFleet } from "./fleet.ts";
import { completion, startOddServer, whole } from "./odd_server.ts";

const LONG_PROMPT = { messages: [{ role: "user", content: "a word and ".repeat(100) }] };

/** A fleet in which each instance has its own context, as its /v1/models says. */
async function startContexts(
  contexts: number[],
  options: { fallbacks?: number; each?: (index: number) => Record<string, unknown> } = {},
): Promise<AsyncDisposable & { fleet: Fleet; counts(): Promise<number[]>; each: Simulators[] }> {
  const groups: Simulators[] = [];
  const fallbacks = options.fallbacks ?? 0;
  for (const context of contexts) {
    groups.push(await startSimulators({ args: ["--max-model-len", String(context)] }));
  }
  const fleet = await startFleet({
    count: contexts.length - fallbacks,
    fallbacks,
    each: (index) => ({ url: groups[index].urls[0], ...options.each?.(index) }),
  });
  return {
    fleet,
    each: groups,
    counts: () =>
      Promise.all(groups.map(async (group) => {
        const requests = await group.requests(0);
        return requests.filter(({ path }) => path === "/v1/chat/completions").length;
      })),
    async [Symbol.asyncDispose]() {
      await fleet[Symbol.asyncDispose]();
      for (const group of groups) await group[Symbol.asyncDispose]();
    },
  };
}

/** The instance's own 400, as the client got it. */
async function assertTooLong(response: Response, context: number, instance: string) {
  const body = await response.json();
  assert.equal(response.status, 400);
  assert.equal(body.error.type, "BadRequestError");
  assert.match(body.error.message, new RegExp(`maximum context length is ${context} tokens`));
  assert.equal(response.headers.get("x-gateway-instance"), instance);
}

async function assertNoFailures(fleet: Fleet): Promise<void> {
  const health = await fleet.health();
  for (const { state, recent_errors } of health.instances) {
    assert.deepEqual([state, recent_errors], ["healthy", 0]);
  }
  await fleet.settled();
}

Deno.test("the instance with a longer context answers, as their /v1/models say", async () => {
  await using s = await startContexts([64, 4096]);
  for (const stream of [false, true, false]) {
    const response = await s.fleet.chat({ ...LONG_PROMPT, stream });
    assert.equal(response.headers.get("x-gateway-instance"), "sim-1");
    if (stream) assert.ok((await readSse(response)).done);
    else assert.ok(await contentOf(response));
  }
  const [short, long] = await s.counts();
  assert.equal(long, 3);
  assert.ok(short >= 1 && short <= 3);
  const { complete } = await s.fleet.records(3, 0);
  const met = complete.flatMap(({ meta }) => meta.attempts ?? []).filter(({ error }) => error);
  assert.equal(met.length, short);
  for (const { status } of met) assert.equal(status, 400);
  await assertNoFailures(s.fleet);
});

Deno.test("max_context in the file counts for more than what an instance says", async () => {
  await using s = await startContexts([64, 4096], {
    each: (index) => ({ max_context: index === 0 ? 64 : 32 }),
  });
  // Whoever is asked first, sim-1 is not taken for one with a longer context.
  for (let i = 0; i < 4; i++) {
    const response = await s.fleet.chat(LONG_PROMPT);
    if (response.headers.get("x-gateway-instance") === "sim-1") await contentOf(response);
    else await assertTooLong(response, 64, "sim-0");
  }
  const [short, long] = await s.counts();
  assert.equal(short + long, 4, "each was asked once");
  assert.ok(short >= 1 && long >= 1);
  await assertNoFailures(s.fleet);
});

Deno.test("of several contexts the ones that are longer are tried, each once", async () => {
  await using s = await startContexts([64, 128, 4096]);
  const sent = 6;
  for (let i = 0; i < sent; i++) {
    const response = await s.fleet.chat(LONG_PROMPT);
    assert.equal(response.headers.get("x-gateway-instance"), "sim-2");
    assert.ok(await contentOf(response));
  }
  const [short, middle, long] = await s.counts();
  assert.equal(long, sent);
  assert.ok(short + middle <= 2 * sent);
  await s.fleet.records(sent, 0);
  await assertNoFailures(s.fleet);
});

Deno.test("nobody has a longer context: the instance's own error, asked once", async () => {
  await using s = await startContexts([64, 64]);
  const response = await s.fleet.chat(LONG_PROMPT);
  await assertTooLong(response, 64, response.headers.get("x-gateway-instance")!);
  const streamed = await s.fleet.chat({ ...LONG_PROMPT, stream: true });
  await assertTooLong(streamed, 64, streamed.headers.get("x-gateway-instance")!);
  const [first, second] = await s.counts();
  assert.equal(first + second, 2);
  await assertNoFailures(s.fleet);
  await assertNothingRecorded(s.fleet.gateway);
});

Deno.test("too long for all: the client gets the words of the longest that was asked", async () => {
  await using s = await startContexts([64, 128]);
  for (let i = 0; i < 4; i++) {
    const response = await s.fleet.chat(LONG_PROMPT);
    await assertTooLong(response, 128, "sim-1");
  }
  await assertNoFailures(s.fleet);
});

Deno.test("a fallback with a longer context is asked", async () => {
  await using s = await startContexts([64, 4096], { fallbacks: 1 });
  const response = await s.fleet.chat(LONG_PROMPT);
  assert.equal(response.headers.get("x-gateway-instance"), "paid-0");
  assert.ok(await contentOf(response));
  assert.deepEqual(await s.counts(), [1, 1]);
  await assertNoFailures(s.fleet);
});

Deno.test("a fallback with no longer context is not asked", async () => {
  await using s = await startContexts([64, 64], { fallbacks: 1 });
  for (let i = 0; i < 2; i++) await assertTooLong(await s.fleet.chat(LONG_PROMPT), 64, "sim-0");
  assert.deepEqual(await s.counts(), [2, 0]);
  await assertNoFailures(s.fleet);
});

Deno.test("a fallback whose context nobody knows is asked: it may be long enough", async () => {
  await using unknown = await startOddServer((call) =>
    call.write(
      call.path === "/v1/models"
        ? "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
        : whole(completion("paid for")),
    )
  );
  await using s = await startContexts([64, 64], {
    fallbacks: 1,
    each: (index) => index === 1 ? { url: unknown.url } : {},
  });
  assert.match(await (await s.fleet.chat(LONG_PROMPT)).text(), /paid for/);
  await s.fleet.settled();
});

Deno.test("the longer one fails: the client gets the shorter one's own error", async () => {
  await using s = await startContexts([64, 4096], {
    each: (index) => ({ weight: 1 + 9 * (1 - index) }),
  });
  await s.each[1].fail(0, "500");
  const response = await s.fleet.chat(LONG_PROMPT);
  await assertTooLong(response, 64, "sim-0");
  assert.deepEqual(await s.counts(), [1, 1]);
  await s.fleet.settled();
});

Deno.test("a 400 for anything else is not sent on to a longer context", async () => {
  await using s = await startContexts([64, 4096], { fallbacks: 1 });
  const response = await s.fleet.chat({ temperature: -1 });
  assert.equal(response.status, 400);
  await response.body?.cancel();
  assert.deepEqual(await s.counts(), [1, 0]);
  await assertNoFailures(s.fleet);
});

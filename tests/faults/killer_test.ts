// A request that kills the engine of whoever is asked: it costs two engines, and none of the others that were
// there loses its answer.

import assert from "node:assert/strict";
import { readSse } from "../support/sse.ts";
import { waitFor, within } from "../support/wait.ts";
import { chatBody, contentOf, errorOf, type Fleet, startFleet } from "./fleet.ts";

const POISON = "poison";
const AT_ONCE = `engine-killed:word=${POISON}`;
/** Others that came before it and after it are at the engine by then. */
const LATER = `engine-killed:0.1:word=${POISON}`;

/** How many of the instances have their engine. */
async function alive(fleet: Fleet): Promise<number> {
  const answers = await Promise.all(fleet.simulators.urls.map(async (url) => {
    try {
      const response = await fetch(new URL("/health", url));
      await response.body?.cancel();
      return response.status === 200;
    } catch {
      // Nobody listens there any more.
      return false;
    }
  }));
  return answers.filter(Boolean).length;
}

const mortalFleet = (fault: string, ...simulate: string[]) =>
  startFleet({ count: 4, simulate: ["--fail", fault, ...simulate] });

const saying = (content: string, more: Record<string, unknown> = {}) =>
  chatBody({ messages: [{ role: "user", content }], ...more });

const ASKED = {
  "/v1/chat/completions": saying(POISON),
  "/v1/completions": { model: "demo", prompt: POISON, max_tokens: 12 },
  "/v1/messages": saying(POISON),
  "/v1/responses": { model: "demo", input: POISON },
  "/v1/embeddings": { model: "demo", input: POISON },
};

for (const [path, body] of Object.entries(ASKED)) {
  for (const stream of path === "/v1/embeddings" ? [false] : [false, true]) {
    Deno.test(`${path}${stream ? ", streamed" : ""}: what kills engines costs two`, async () => {
      await using fleet = await mortalFleet(AT_ONCE);
      const response = await fleet.gateway.post(path, { ...body, stream });
      const text = await response.text();
      assert.equal(response.status, 502, text);
      assert.match(text, /2 engines died while they had the request \(sim-\d, sim-\d\)/);
      assert.equal(response.headers.get("x-should-retry"), "false");
      assert.equal(response.headers.get("retry-after"), null);
      assert.equal(await alive(fleet), 2);
      await fleet.settled();
      await waitFor(
        async () => /request_kills_engines/.test(await fleet.errorLog()),
        "the alert in the error file",
      );
      assert.doesNotMatch(await fleet.errorLog(), /no_instance/);
    });
  }
}

Deno.test("an answer that has begun, and kills two engines where it goes on, ends with an error event", async () => {
  await using fleet = await startFleet({
    count: 4,
    // The word is to be read in what the next ones are asked.
    config: { resume: "continue" },
    each: (index) => ({ weight: index === 0 ? 1000 : 1 }),
  });
  await fleet.simulators.fail(0, "cut:5");
  for (const index of [1, 2, 3]) await fleet.simulators.fail(index, AT_ONCE);
  const answer = await readSse(
    await fleet.gateway.post(
      "/v1/chat/completions",
      saying(POISON, { stream: true, max_tokens: 30, temperature: 0 }),
    ),
  );
  const { error } = answer.json.at(-1);
  assert.match(
    error.message,
    /^2 engines died while they had the request \(sim-[123], sim-[123]\)/,
  );
  assert.ok(answer.json.length > 2, "some of the answer came before");
  assert.equal(answer.done, false);
  assert.equal(await alive(fleet), 2);
  await fleet.settled();
});

Deno.test("a fallback is given what killed one engine, and nobody what killed two", async () => {
  await using fleet = await startFleet({ count: 1, fallbacks: 2, simulate: ["--fail", AT_ONCE] });
  const response = await fleet.gateway.post("/v1/chat/completions", saying(POISON));
  const { message } = await errorOf(response, 502, "BadGatewayError");
  assert.match(message, /\(sim-0, paid-0\)/);
  assert.equal(await alive(fleet), 1);
  await fleet.settled();
});

Deno.test("what has killed engines is known when it comes again, and nothing else is taken for it", async () => {
  await using fleet = await mortalFleet(AT_ONCE);
  const ask = (content: string, stream = false) =>
    fleet.gateway.post("/v1/chat/completions", saying(content, { stream }));
  await errorOf(await ask(POISON), 502, "BadGatewayError");
  for (let again = 0; again < 3; again++) {
    const response = await ask(POISON);
    assert.equal(response.headers.get("x-should-retry"), "false");
    const { message } = await errorOf(response, 502, "BadGatewayError");
    assert.match(message, /less than ten minutes ago/);
  }
  assert.ok(await contentOf(await ask(POISON.toUpperCase())));
  assert.equal(await alive(fleet), 2);
  await fleet.settled();
});

for (const stream of [true, false]) {
  const how = stream ? "streams" : "whole answers";
  Deno.test(`one that kills engines among twenty ${how}: nothing else is lost`, async () => {
    await using fleet = await mortalFleet(LATER, "--ttft", "0.3", "--tokens-per-second", "100");
    const ask = (content: string) =>
      fleet.gateway.post("/v1/chat/completions", saying(content, { stream }));
    const innocent = async (index: number) => {
      const response = await ask(`tell me of the number ${index}`);
      if (!stream) return await contentOf(response);
      assert.equal(response.status, 200, response.headers.get("x-should-retry") ?? "");
      const answer = await readSse(response);
      assert.equal(answer.error, null);
      assert.equal(answer.json.filter(({ error }) => error).length, 0, JSON.stringify(answer.json));
      return answer.done;
    };
    const killer = async () => {
      const { message } = await errorOf(await ask(POISON), 502, "BadGatewayError");
      assert.match(message, /^2 engines died/);
      return true;
    };
    const innocents = Array.from({ length: 20 }, (_, index) => innocent(index));
    const answers = await within(Promise.all([killer(), ...innocents]), "all answers");
    assert.ok(answers.every(Boolean));
    assert.equal(await alive(fleet), 2);
    await fleet.settled();
  });
}

Deno.test("where instances take few requests at a time, what kills engines costs two as well", async () => {
  await using fleet = await startFleet({
    count: 4,
    simulate: ["--fail", LATER, "--ttft", "0.1"],
    each: () => ({ max_concurrency: 2 }),
    config: { queue: { max: 100, deadline: 60 } },
  });
  const ask = (content: string) => fleet.gateway.post("/v1/chat/completions", saying(content));
  const innocents = Array.from(
    { length: 16 },
    async (_, at) => await contentOf(await ask(`${at}`)),
  );
  const killer = errorOf(await ask(POISON), 502, "BadGatewayError");
  const [{ message }] = await within(Promise.all([killer, ...innocents]), "all answers");
  assert.match(message, /^2 engines died/);
  assert.equal(await alive(fleet), 2);
  await fleet.settled();
});

Deno.test("an instance that says that its engine is dead is asked by nobody else, back it is asked again", async () => {
  await using fleet = await startFleet({
    config: { health_check: { interval: 0.1 } },
  });
  await fleet.simulators.fail(0, "engine-dead");
  for (let i = 0; i < 4; i++) assert.ok(await contentOf(await fleet.chat()));
  const [asked] = await fleet.counts();
  assert.ok(asked <= 1, `at most once, not ${asked} times`);
  await fleet.simulators.reset(0);
  const isBack = async () => (await fleet.health()).instances.every(isWell);
  await waitFor(isBack, "both to be in use");
});

Deno.test("without health checks one whose engine was dead is back by a probe", async () => {
  await using fleet = await startFleet({ config: { ejection_time: 0.2 } });
  await fleet.simulators.fail(0, "engine-dead");
  for (let i = 0; i < 2; i++) assert.ok(await contentOf(await fleet.chat()));
  const [first] = (await fleet.health()).instances;
  assert.ok(!isWell(first), first.state);
  await fleet.simulators.reset(0);
  const isBack = async () => {
    assert.ok(await contentOf(await fleet.chat()));
    return (await fleet.health()).instances.every(isWell);
  };
  await waitFor(isBack, "both to be in use");
});

Deno.test("requests that were at an engine that died by chance are answered", async () => {
  await using fleet = await startFleet({ count: 3, simulate: ["--ttft", "0.4"] });
  const answers = Array.from({ length: 9 }, () => fleet.chat().then(contentOf));
  await waitFor(async () => (await fleet.counts()).every((asked) => asked > 0), "all to be asked");
  await fleet.simulators.fail(0, "engine-killed");
  for (const answer of await within(Promise.all(answers), "all answers")) assert.ok(answer);
  await fleet.settled();
});

function isWell({ state }: { state: string }): boolean {
  return state === "healthy" || state === "slow_start";
}

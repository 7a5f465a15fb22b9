// `workers: "auto"`: isolates come and go under running streams, and no answer, record or count is lost
// or counted twice. What makes them come and go is given by reloads, so that nothing depends on load.

import assert from "node:assert/strict";
import { reportUsage } from "../../lib/caller/usage/report.ts";
import { makeKey } from "../e2e/access/keyed.ts";
import { variant } from "../support/processes.ts";
import { parseMetrics, type Scrape } from "../support/prometheus.ts";
import { chatText, readSse, type SseAnswer } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { chatBody, type Fleet, startFleet } from "./fleet.ts";

// What is given beats the configuration, and behind Deno.serve auto is one isolate.
const { args, config: given } = variant();
const ignore = Deno.build.os !== "linux" || args.length > 0 || "listener" in given;

/** Workers that stay as they are, come one after the other, or go. */
const STAY = { max: 1, busy: 1, after: 0.1, calm: 3600 };
const COME = { ...STAY, max: 3, busy: 0 };
const GO = { ...STAY, calm: 0.1 };

const SLOW = ["--tokens-per-second", "27", "--tokens", "40"];

function start(options: Parameters<typeof startFleet>[0] = {}): Promise<Fleet> {
  return startFleet({
    simulate: SLOW,
    ...options,
    config: {
      workers: "auto",
      auto_workers: STAY,
      keys: [key.line],
      limits: { prices: { demo: { prompt: 1, completion: 1 } } },
      ...options.config,
    },
  });
}

async function reload(fleet: Fleet, more: Record<string, unknown>): Promise<void> {
  const before = fleet.gateway.output().split("configuration reloaded").length;
  const instances = fleet.simulators.urls.map((url, index) => ({
    url,
    model_name: "demo",
    name: `sim-${index}`,
  }));
  await fleet.gateway.writeConfig({
    workers: "auto",
    auto_workers: STAY,
    health_check: false,
    error_threshold: 1000,
    keys: [key.line],
    limits: { prices: { demo: { prompt: 1, completion: 1 } } },
    instances,
    ...more,
  });
  await waitFor(
    () => fleet.gateway.output().split("configuration reloaded").length > before,
    "the reload",
  );
}

async function metricsOf(fleet: Fleet, client?: Deno.HttpClient): Promise<Scrape> {
  return parseMetrics(await (await fetch(`${fleet.gateway.url}/metrics`, { client })).text());
}

/** Has isolates come or go until so many serve; those that go may still have streams. */
async function until(fleet: Fleet, isolates: number): Promise<void> {
  const now = (await metricsOf(fleet)).sum("gateway_workers");
  if (isolates !== now) {
    await reload(fleet, {
      auto_workers: { ...(isolates > now ? COME : GO), max: Math.max(isolates, 1) },
    });
  }
  await waitFor(
    async () => (await metricsOf(fleet)).sum("gateway_workers") === isolates,
    () => `${isolates} isolates; ${fleet.gateway.output()}`,
  );
  await reload(fleet, { auto_workers: STAY });
  assert.equal((await metricsOf(fleet)).sum("gateway_workers"), isolates);
}

/** Each request of this client comes on a connection of its own. */
function freshClient(): Deno.HttpClient {
  return Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
}

/** The isolate that answered: made request ids begin with letters of its own. */
function isolateOf(response: Response): string {
  return response.headers.get("x-request-id")!.slice(0, 20);
}

/** What every gateway here asks for: usage, limits and places are counted by it. */
const key = makeKey("crowd", { concurrency: 100, budget: { period: "total", tokens: 1e9 } });
const KEYED = { authorization: `Bearer ${key.key}` };

async function stream(fleet: Fleet, client: Deno.HttpClient, tokens = 40): Promise<Response> {
  return await fetch(`${fleet.gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...KEYED },
    body: JSON.stringify(chatBody({ stream: true, max_tokens: tokens })),
    client,
  });
}

/** Streams of which the heads have come, and isolates that they came from. */
async function streams(fleet: Fleet, count: number) {
  using client = freshClient();
  const begun = await Promise.all(Array.from({ length: count }, () => stream(fleet, client)));
  // The client may go: its connections stay until their answers have come.
  return { isolates: new Set(begun.map(isolateOf)), answers: Promise.all(begun.map(readSse)) };
}

function assertWhole(answer: SseAnswer): void {
  assert.equal(answer.status, 200);
  assert.equal(answer.error, null);
  assert.ok(answer.done);
  assert.equal(chatText(answer).finishReason, "length");
}

/** Waits until so many answers are recorded, counted and booked, each once. */
async function allWhole(fleet: Fleet, answers: number): Promise<void> {
  await fleet.records(answers, 0);
  await waitFor(
    async () => (await metricsOf(fleet)).sum("gateway_requests_total") >= answers,
    "all requests to be counted",
  );
  const found = await metricsOf(fleet);
  assert.equal(found.sum("gateway_requests_total", { outcome: "complete" }), answers);
  assert.equal(found.sum("gateway_requests_total"), answers);
  assert.equal(found.sum("gateway_request_duration_seconds_count"), answers);
  await waitFor(async () => await bookedOf(fleet) >= answers, "all requests to be booked");
  assert.equal(await bookedOf(fleet), answers);
}

/** Requests that the files of usage tell of. */
async function bookedOf(fleet: Fleet): Promise<number> {
  const { dataDir } = fleet.gateway;
  const { rows } = await reportUsage({ dataDir, by: ["key"], where: () => true });
  return rows.reduce((sum, { amount }) => sum + amount.requests, 0);
}

/** How often an isolate that was to leave has ended. */
function leftOf(fleet: Fleet): number {
  return fleet.gateway.output().split("its last answer is out").length - 1;
}

/** Clients of both kinds, one request after the other, until they are told to stop. */
function crowd(fleet: Fleet, size: number) {
  const pooled = Deno.createHttpClient({});
  const alone = freshClient();
  let isOver = false;
  const isolates = new Set<string>();
  let answers = 0;
  let resets = 0;
  const run = async (index: number) => {
    while (!isOver) {
      const response = await stream(fleet, index % 2 === 0 ? pooled : alone, 4 + index)
        .catch((error) => {
          // A door that closes may reset one that just came to it (docs/decisions/elastic_workers.md).
          if (/Connection reset/.test(String(error.cause)) && resets++ === 0) return null;
          throw error;
        });
      if (response === null) continue;
      isolates.add(isolateOf(response));
      assertWhole(await readSse(response));
      answers++;
    }
  };
  const runs = Promise.all(Array.from({ length: size }, (_, index) => run(index)));
  // Told when it ends, and no sooner.
  runs.catch(() => {});
  return {
    isolates,
    async end(): Promise<number> {
      isOver = true;
      try {
        await runs;
      } finally {
        pooled.close();
        alone.close();
      }
      return answers;
    },
  };
}

Deno.test({
  name: "isolates come and go under running streams: every answer is whole, every count is right",
  ignore,
  async fn() {
    await using fleet = await start();
    const clients = crowd(fleet, 12);
    for (const isolates of [2, 1, 3, 1]) await until(fleet, isolates);
    const answers = await clients.end();
    assert.ok(clients.isolates.size >= 3, "those that came had their share");
    await allWhole(fleet, answers);
    await fleet.settled();
    assert.equal(
      (await fleet.counts()).reduce((sum, count) => sum + count),
      answers,
      "nothing was asked twice",
    );
    // Connections that nobody uses any more go with the isolate, too.
    await waitFor(() => leftOf(fleet) === 3, "those that left to end");
    await fleet.gateway.stop();
    assert.doesNotMatch(fleet.gateway.output(), /internal error|isolate died/);
  },
});

Deno.test({
  name:
    "SIGTERM while isolates come and while they go: streams end whole, all is recorded and booked",
  ignore,
  async fn() {
    for (const way of ["come", "go"]) {
      await using fleet = await start();
      await until(fleet, 2);
      const { isolates, answers } = await streams(fleet, 16);
      assert.equal(isolates.size, 2);
      const rules = way === "come" ? { ...COME, max: 3 } : { ...GO, max: 1 };
      await reload(fleet, { auto_workers: rules });
      if (way === "go") {
        await waitFor(() => /one isolate serves again/.test(fleet.gateway.output()), "one to go");
      }
      fleet.gateway.signal("SIGTERM");
      for (const answer of await answers) assertWhole(answer);
      assert.equal((await fleet.gateway.process.status).code, 0);
      await fleet.records(16, 0);
      assert.equal(await bookedOf(fleet), 16);
      assert.doesNotMatch(fleet.gateway.output(), /internal error|isolate died/);
    }
  },
});

Deno.test({
  name: "SIGUSR2 while an isolate goes: its streams end whole, and the process ends",
  ignore,
  async fn() {
    await using fleet = await start();
    await until(fleet, 2);
    const { isolates, answers } = await streams(fleet, 16);
    assert.equal(isolates.size, 2);
    await reload(fleet, { auto_workers: { ...GO, max: 1 } });
    await waitFor(() => /one isolate serves again/.test(fleet.gateway.output()), "one to go");
    fleet.gateway.signal("SIGUSR2");
    for (const answer of await answers) assertWhole(answer);
    assert.equal((await fleet.gateway.process.status).code, 0);
    await fleet.records(16, 0);
  },
});

Deno.test({
  name: "a reload while an isolate comes, and one while it goes, are in force in all of them",
  ignore,
  async fn() {
    await using fleet = await start();
    using client = freshClient();
    const [first, second] = fleet.simulators.urls.map((url, index) => ({
      url,
      model_name: "demo",
      name: `sim-${index}`,
    }));
    const seen = async (isolates: number, name: string) => {
      const found = new Set<string>();
      for (let k = 0; k < 60; k++) {
        const response = await stream(fleet, client, 1);
        assert.equal(response.headers.get("x-gateway-instance"), name);
        found.add(isolateOf(response));
        await response.body?.cancel();
      }
      assert.equal(found.size, isolates);
    };
    await reload(fleet, { auto_workers: { ...COME, max: 2 } });
    // It takes longer than a reload until it serves.
    await reload(fleet, { auto_workers: { ...COME, max: 2 }, instances: [second] });
    await waitFor(
      async () => (await metricsOf(fleet)).sum("gateway_workers") === 2,
      "two isolates",
    );
    await seen(2, "sim-1");

    const { isolates, answers } = await streams(fleet, 16);
    assert.equal(isolates.size, 2);
    await reload(fleet, { auto_workers: { ...GO, max: 1 }, instances: [second] });
    await reload(fleet, { auto_workers: { ...GO, max: 1 }, instances: [first] });
    for (const answer of await answers) assertWhole(answer);
    await waitFor(() => leftOf(fleet) === 1, "the other to end");
    await seen(1, "sim-0");
    await fleet.settled();
  },
});

Deno.test({
  name: "who watches the dashboard through an isolate that goes does not hold it up",
  ignore,
  async fn() {
    await using fleet = await start();
    await until(fleet, 2);
    using client = freshClient();
    const url = `${fleet.gateway.url}/dashboard/api/live`;
    const ended: { is: boolean }[] = [];
    for (let k = 0; k < 16; k++) {
      const response = await fetch(url, { client });
      assert.equal(response.status, 200);
      ended.push({ is: false });
      const one = ended[k];
      void (async () => {
        for await (const _ of response.body!);
        one.is = true;
      })();
    }
    await reload(fleet, { auto_workers: { ...GO, max: 1 } });
    await waitFor(() => leftOf(fleet) === 1, "it to end");
    await waitFor(() => ended.some(({ is }) => is), "some to be sent away");
    assert.ok(ended.some(({ is }) => !is), "those of the other go on");
    await fleet.gateway.stop();
    await waitFor(() => ended.every(({ is }) => is), "all to end with the process");
  },
});

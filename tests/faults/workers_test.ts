// Several workers on one port are one gateway: one order of turns, one count of requests, one health,
// one way in and out; and one that dies takes nothing with it but its own connections.

import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { madeHere } from "../../lib/process/workers/isolate.ts";
import { WorkerPool } from "../../lib/process/workers/worker_pool.ts";
import { poolParts } from "../support/pool_parts.ts";
import { type GatewayProcess, startSimulators, variant } from "../support/processes.ts";
import { chatText, readSse, type SseAnswer } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { chatBody, exactRecordsOf, settled, startFleet, startGatewayFor } from "./fleet.ts";
import { startGated } from "./gated_server.ts";
import { deathOf } from "./mortal_worker.ts";

/** Where TEST_WORKERS does not say otherwise. */
const workers = 3;

/** Each request of this client comes on a connection of its own, and so to any worker. */
function freshClient(): Deno.HttpClient {
  return Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
}

async function post(url: string, body: unknown, client: Deno.HttpClient): Promise<Response> {
  return await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    client,
  });
}

/** The worker that answered: made request ids begin with letters of its own. */
function workerOf(response: Response): string {
  return response.headers.get("x-request-id")!.slice(0, 20);
}

/** What /health says at each worker, by worker, without the time. */
async function healthOfAll(
  gateway: GatewayProcess,
  client: Deno.HttpClient,
): Promise<Map<string, Record<string, unknown>>> {
  const reports = new Map<string, Record<string, unknown>>();
  for (let i = 0; i < 40; i++) {
    const response = await fetch(`${gateway.url}/health`, { client });
    const { uptime_seconds: _, ...report } = await response.json();
    reports.set(workerOf(response), report);
  }
  assert.ok(reports.size >= 2, "more than one worker was asked");
  return reports;
}

Deno.test("weighted turns are exact over all workers, one by one and in parallel", async () => {
  await using fleet = await startFleet({
    config: { workers },
    each: (index) => ({ weight: [3, 1][index] }),
  });
  using client = freshClient();
  const url = `${fleet.gateway.url}/v1/chat/completions`;
  const seen = new Map<string, number>();
  const ask = async () => {
    const response = await post(url, chatBody({ max_tokens: 1 }), client);
    assert.equal(response.status, 200);
    seen.set(workerOf(response), (seen.get(workerOf(response)) ?? 0) + 1);
    await response.body?.cancel();
  };
  for (let i = 0; i < 400; i++) await ask();
  assert.deepEqual(await fleet.counts(), [300, 100]);
  await Promise.all(Array.from({ length: 40 }, async () => {
    for (let i = 0; i < 10; i++) await ask();
  }));
  assert.deepEqual(await fleet.counts(), [600, 200]);
  assert.ok(seen.size >= 2, "several workers took part");
  await fleet.records(800, 0);
  await fleet.settled();
});

Deno.test("requests in flight and waiting are counted over all workers, the same at each", async () => {
  await using gated = startGated();
  await using gateway = await startGatewayFor([], {
    workers,
    instances: [{ url: gated.url, model_name: "demo", name: "gated", max_concurrency: 3 }],
  });
  using client = freshClient();
  const url = `${gateway.url}/v1/chat/completions`;
  const answers = Array.from({ length: 30 }, () => post(url, chatBody(), client));
  await waitFor(async () => {
    const response = await fetch(`${gateway.url}/health`);
    return (await response.json()).waiting === 27;
  }, "27 to wait");
  const reports = [...(await healthOfAll(gateway, client)).values()];
  for (const report of reports) assert.deepEqual(report, reports[0]);
  assert.equal((reports[0].instances as { in_flight: number }[])[0].in_flight, 3);
  // max_concurrency holds while places change hands between workers.
  for (let done = 0; done < 27; done++) {
    gated.calls[done].release();
    await gated.came(4 + done);
  }
  gated.open();
  const served = new Set<string>();
  for (const answer of await Promise.all(answers)) {
    assert.equal(answer.status, 200);
    served.add(workerOf(answer));
    await answer.body?.cancel();
  }
  assert.ok(served.size >= 2, "several workers had requests in the line");
  assert.equal(gated.most, 3);
  assert.equal(gated.calls.length, 30);
  await exactRecordsOf(gateway, 30, 0);
  await settled(gateway);
});

Deno.test("an ejection by one worker's requests holds in all", async () => {
  await using fleet = await startFleet({
    config: { workers, error_threshold: 3, ejection_time: 600, max_ejection_time: 600 },
  });
  using client = freshClient();
  await fleet.simulators.fail(0, "500");
  const url = `${fleet.gateway.url}/v1/chat/completions`;
  const served = new Set<string>();
  for (let i = 0; i < 30; i++) {
    const response = await post(url, chatBody({ max_tokens: 1 }), client);
    assert.equal(response.status, 200);
    served.add(workerOf(response));
    await response.body?.cancel();
  }
  assert.ok(served.size >= 2);
  assert.deepEqual(await fleet.counts(), [3, 30], "three failures in all, not three a worker");
  for (const report of (await healthOfAll(fleet.gateway, client)).values()) {
    assert.equal((report.instances as { state: string }[])[0].state, "ejected");
  }
  await waitFor(async () => (await fleet.errorLog()).includes("instance_ejected"), "the alert");
  await fleet.settled();
  await fleet.gateway.stop();
  assert.equal((await fleet.errorLog()).match(/instance_ejected/g)?.length, 1, "told once");
});

Deno.test("a reload reaches all workers", async () => {
  await using fleet = await startFleet({ config: { workers } });
  using client = freshClient();
  const [first, second] = fleet.simulators.urls.map((url, index) => ({
    url,
    model_name: "demo",
    name: `sim-${index}`,
  }));
  const url = `${fleet.gateway.url}/v1/chat/completions`;
  const config = (instances: unknown[]) => ({
    ...variant().config,
    workers,
    health_check: false,
    instances,
  });
  await fleet.gateway.writeConfig(
    config([second, { ...first, model_name: "other", upstream_model: "demo" }]),
  );
  await waitFor(async () => {
    const reports = [...(await healthOfAll(fleet.gateway, client)).values()];
    return reports.every(({ instances }) => (instances as { name: string }[])[0].name === "sim-1");
  }, "all workers to have the new configuration");
  for (let i = 0; i < 12; i++) {
    for (const [model, name] of [["demo", "sim-1"], ["other", "sim-0"]]) {
      const response = await post(url, chatBody({ model, max_tokens: 1 }), client);
      assert.equal(response.headers.get("x-gateway-instance"), name);
      await response.body?.cancel();
    }
  }
  await fleet.settled();
});

Deno.test("SIGTERM drains all workers: every stream ends whole, every record is there", async () => {
  await using fleet = await startFleet({
    config: { workers },
    simulate: ["--tokens-per-second", "27", "--tokens", "30"],
  });
  using client = freshClient();
  const url = `${fleet.gateway.url}/v1/chat/completions`;
  const begun = await Promise.all(
    Array.from({ length: 16 }, () => post(url, chatBody({ stream: true, max_tokens: 30 }), client)),
  );
  assert.ok(new Set(begun.map(workerOf)).size >= 2);
  const answers = begun.map(readSse);
  fleet.gateway.signal("SIGTERM");
  for (const answer of await Promise.all(answers)) {
    assert.equal(answer.error, null);
    assert.ok(answer.done && chatText(answer).finishReason === "length");
  }
  assert.equal((await fleet.gateway.process.status).code, 0);
  await fleet.records(16, 0);
});

Deno.test("a stored response is found from any worker, at once", async () => {
  await using fleet = await startFleet({ config: { workers } });
  using client = freshClient();
  const url = `${fleet.gateway.url}/v1/responses`;
  const served = new Set<string>();
  let elsewhere = 0;
  for (let i = 0; i < 40; i++) {
    const stream = i % 2 === 1;
    const first = await post(url, { model: "demo", input: `I am number ${i}`, stream }, client);
    const id = /resp_[\w-]+/.exec(await first.text())![0];
    const next = await post(
      url,
      { model: "demo", input: "who am I?", previous_response_id: id },
      client,
    );
    assert.equal(next.status, 200, `${i}: ${await next.text()}`);
    assert.equal(
      next.headers.get("x-gateway-instance"),
      first.headers.get("x-gateway-instance"),
    );
    for (const response of [first, next]) served.add(workerOf(response));
    if (workerOf(first) !== workerOf(next)) elsewhere++;
    const kept = await fetch(`${url}/${id}`, { client });
    assert.equal(kept.status, 200);
    assert.equal((await kept.json()).id, id);
  }
  assert.ok(served.size === 1 || elsewhere > 0, "some were asked of another worker");
  await fleet.settled();
});

Deno.test("a worker that dies is replaced, its leases are released, the others are unharmed", async () => {
  await using simulators = await startSimulators({
    count: 2,
    args: ["--tokens-per-second", "12", "--tokens", "60"],
  });
  const text = JSON.stringify({
    instances: simulators.urls.map((url) => ({ url, model_name: "demo" })),
    record: { enabled: false },
  });
  const loaded = loadConfig("test", text, () => undefined);
  assert.ok(loaded.ok);
  const { config } = loaded;
  const shared = SharedState.create();
  const slots = new SlotTable(shared).assign(config);
  const died: string[] = [];
  const errors: string[] = [];
  const pool = new WorkerPool(poolParts({
    module: new URL("mortal_worker.ts", import.meta.url).href,
    make: madeHere,
    count: 2,
    shared,
    snapshot: () => ({ config, slots, proxied: [], reading: 0 }),
    onError: (message) => errors.push(message),
    onDied: (worker, message) => died.push(`${worker}: ${message}`),
  }));
  const url = `http://127.0.0.1:${await pool.start("127.0.0.1", 0)}/v1/chat/completions`;
  using client = freshClient();
  try {
    const inFlight = (worker: number) => {
      const own = new SharedState(shared.buffer, worker);
      return Object.values(slots).reduce((sum, slot) => sum + own.fleet.ownInFlight(slot), 0);
    };
    const answers: Promise<SseAnswer>[] = [];
    while (inFlight(1) < 3 || inFlight(2) < 3) {
      assert.ok(answers.length < 100, "streams come to both workers");
      const body = chatBody({ stream: true, max_tokens: 60 });
      answers.push(readSse(await post(url, body, client)));
    }
    // None of them ends before the death.
    simulators.process.signal("SIGSTOP");
    const [lost, kept] = [inFlight(1), inFlight(2)];
    assert.equal(lost + kept, answers.length);

    pool.apply({
      config: { ...config, dataDir: deathOf("worker-1") },
      slots,
      proxied: [],
      reading: 0,
    });
    await waitFor(() => died.length === 1, "the death to be noticed");
    assert.match(died[0], /^1: .*dies on purpose/);
    assert.equal(inFlight(1), 0, "its leases are released with it");
    assert.equal(inFlight(2), kept);
    simulators.process.signal("SIGCONT");

    // While one worker is gone the other serves; then there are two again.
    const served = new Set<string>();
    await waitFor(async () => {
      const response = await post(url, chatBody({ max_tokens: 1 }), client).catch((error) => {
        // What the dead worker had not accepted yet is reset by the system.
        if (!/reset by peer/.test(String(error.cause))) throw error;
        return null;
      });
      if (response === null) return false;
      assert.equal(response.status, 200);
      served.add(workerOf(response));
      await response.body?.cancel();
      return served.size === 2;
    }, "a new worker in its place");

    let whole = 0;
    for (const answer of await Promise.all(answers)) {
      if (answer.error === null && answer.done) {
        assert.equal(chatText(answer).finishReason, "length");
        whole++;
      } else {
        assert.ok(!answer.done, "a cut answer has no [DONE]");
      }
    }
    assert.equal(whole, kept, "only the connections of the dead worker broke");
    await waitFor(
      () => Object.values(slots).every((slot) => shared.fleet.inFlight(slot) === 0),
      "all leases to be released",
    );
    assert.equal(died.length, 1);
    assert.deepEqual(errors, []);
  } finally {
    await pool.drain();
    await pool.close();
  }
});

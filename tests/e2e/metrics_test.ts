// What clients did and what /metrics says of it are the same numbers, with one isolate and with two.

import assert from "node:assert/strict";
import { type Fleet, startFleet } from "../faults/fleet.ts";
import { parseMetrics, type Scrape } from "../support/prometheus.ts";
import { readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";

async function metricsOf(fleet: Fleet): Promise<Scrape> {
  const response = await fetch(`${fleet.gateway.url}/metrics`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return parseMetrics(await response.text());
}

/** Waits until `count` requests are counted: a client knows of an end before the gateway's main isolate. */
async function metricsAfter(fleet: Fleet, count: number): Promise<Scrape> {
  let found: Scrape | null = null;
  await waitFor(async () => {
    found = await metricsOf(fleet);
    return found.sum("gateway_requests_total") >= count;
  }, () => `${count} requests to be counted; counted: ${JSON.stringify(found && rows(found))}`);
  assert.equal(found!.sum("gateway_requests_total"), count);
  return found!;
}

function rows(found: Scrape): unknown[] {
  return found.lines("gateway_requests_total").map(({ labels, value }) => [labels, value]);
}

const STREAM = { stream: true, stream_options: { include_usage: true } };

// TEST_WORKERS beats the configuration of every gateway that is started.
const given = Deno.env.get("TEST_WORKERS");

for (const workers of given === undefined ? ["1", "2"] : [given]) {
  const start = (options: Parameters<typeof startFleet>[0] = {}) =>
    startFleet({ ...options, config: { workers: Number(workers), ...options.config } });

  Deno.test(`answers, tokens and times are what clients got (workers: ${workers})`, async () => {
    await using fleet = await start();
    const usage = { prompt_tokens: 0, completion_tokens: 0 };
    const instances: Record<string, number> = {};
    for (let i = 0; i < 12; i++) {
      const streams = i % 3 === 0;
      const response = await fleet.chat(streams ? STREAM : {});
      const instance = response.headers.get("x-gateway-instance")!;
      instances[instance] = (instances[instance] ?? 0) + 1;
      const said = streams
        ? (await readSse(response)).json.findLast((event) => event.usage).usage
        : (await response.json()).usage;
      usage.prompt_tokens += said.prompt_tokens;
      usage.completion_tokens += said.completion_tokens;
    }
    const unknown = await fleet.chat({ model: "no-such-model" });
    assert.equal(unknown.status, 404);
    await unknown.body?.cancel();
    const broken = await fleet.gateway.post("/v1/embeddings", "{");
    assert.equal(broken.status, 400);
    await broken.body?.cancel();
    const found = await metricsAfter(fleet, 14);

    const labels = { model: "demo", route: "/v1/chat/completions", outcome: "complete" };
    for (const [instance, count] of Object.entries(instances)) {
      assert.equal(found.sum("gateway_requests_total", { ...labels, instance }), count, instance);
      assert.equal(found.sum("gateway_attempts_total", { instance, outcome: "answered" }), count);
    }
    assert.equal(found.sum("gateway_requests_total", labels), 12);
    const rejected = { model: "none", instance: "none", outcome: "rejected" };
    for (const route of ["/v1/chat/completions", "/v1/embeddings"]) {
      assert.equal(found.sum("gateway_requests_total", { ...rejected, route }), 1, route);
    }
    const demo = { model: "demo" };
    const tokens = (type: string) => found.sum("gateway_tokens_total", { ...demo, type });
    assert.equal(tokens("prompt"), usage.prompt_tokens);
    assert.equal(tokens("completion"), usage.completion_tokens);
    assert.equal(found.sum("gateway_request_duration_seconds_count", demo), 12);
    assert.equal(found.sum("gateway_time_to_first_token_seconds_count", demo), 4);
    assert.equal(found.sum("gateway_instance_time_to_first_token_seconds_count"), 4);
    assert.equal(found.sum("gateway_inter_token_seconds_count", demo), 4);
    assert.equal(found.sum("gateway_tokens_per_second_count", demo), 12);
    assert.equal(found.sum("gateway_failovers_total"), 0);
    assert.equal(found.sum("gateway_workers"), Number(workers));
    await fleet.records(12, 0);
    let recorded = found;
    await waitFor(async () => {
      recorded = await metricsOf(fleet);
      return recorded.sum("gateway_records_written_total") === 12 &&
        recorded.sum("gateway_records_queue_depth") === 0;
    }, "all to be written");
    assert.ok(recorded.sum("gateway_disk_free_bytes") > 0);
    assert.ok(recorded.sum("process_cpu_seconds_total") > 0);
    assert.ok(recorded.sum("process_resident_memory_bytes") > 1e7);
  });

  Deno.test(`failovers, resumes and cut answers are counted once each (workers: ${workers})`, async () => {
    await using fleet = await start({ count: 3, config: { resume: "continue" } });
    // Three requests in a row meet all three instances, and with them each fault that is set once.
    for (const index of [0, 1]) await fleet.simulators.fail(index, "500", { count: 1 });
    for (let i = 0; i < 3; i++) {
      const response = await fleet.chat();
      assert.equal(response.status, 200);
      await response.body?.cancel();
    }
    for (const index of [0, 1]) await fleet.simulators.fail(index, "cut:5", { count: 1 });
    for (let i = 0; i < 3; i++) {
      assert.ok((await readSse(await fleet.chat({ ...STREAM, max_tokens: 30 }))).done);
    }
    for (const index of [0, 1, 2]) await fleet.simulators.fail(index, "cut:5");
    assert.ok(!(await readSse(await fleet.chat({ ...STREAM, n: 2, max_tokens: 30 }))).done);

    const found = await metricsAfter(fleet, 7);
    assert.equal(found.sum("gateway_requests_total", { outcome: "complete" }), 6);
    assert.equal(found.sum("gateway_requests_total", { outcome: "truncated" }), 1);
    assert.equal(found.sum("gateway_truncated_total", { model: "demo" }), 1);
    assert.equal(found.sum("gateway_alerts_total", { kind: "answer_truncated" }), 1);
    assert.equal(found.sum("gateway_resumes_total", { way: "continue" }), 2);
    assert.equal(found.sum("gateway_resumes_total"), 2);
    assert.equal(found.sum("gateway_failovers_total"), 2);
    // The last request is asked three times more before it is given up.
    assert.equal(found.sum("gateway_attempts_total", { outcome: "broken" }), 6);
    for (const index of [0, 1]) {
      const instance = `sim-${index}`;
      assert.equal(found.sum("gateway_failovers_total", { instance }), 1, instance);
      assert.equal(found.sum("gateway_attempts_total", { instance, outcome: "failed" }), 1);
    }
    for (const [index, count] of (await fleet.counts()).entries()) {
      assert.equal(found.sum("gateway_attempts_total", { instance: `sim-${index}` }), count);
    }
  });

  Deno.test(`clients that leave are told apart by when (workers: ${workers})`, async () => {
    await using fleet = await start({ simulate: ["--tokens-per-second", "20"] });
    const during = new AbortController();
    const response = await fleet.chat({ ...STREAM, max_tokens: 200 }, { signal: during.signal });
    await response.body!.getReader().read();
    const running = await metricsOf(fleet);
    assert.equal(running.sum("gateway_in_flight"), 1);
    during.abort();
    await metricsAfter(fleet, 1);
    for (const index of [0, 1]) await fleet.simulators.fail(index, "hang");
    const waiting = new AbortController();
    const asking = fleet.chat({}, { signal: waiting.signal }).catch(() => null);
    await waitFor(
      async () => (await metricsOf(fleet)).sum("gateway_in_flight") === 1,
      "the request to be under way",
    );
    waiting.abort();
    await asking;
    const found = await metricsAfter(fleet, 2);
    assert.equal(found.sum("gateway_client_aborts_total", { model: "demo", phase: "answer" }), 1);
    assert.equal(found.sum("gateway_client_aborts_total", { model: "demo", phase: "waiting" }), 1);
    assert.equal(found.sum("gateway_requests_total", { outcome: "aborted" }), 2);
    assert.equal(found.sum("gateway_attempts_total", { outcome: "aborted" }), 1);
    assert.equal(found.sum("gateway_in_flight"), 0);
  });

  Deno.test(`an instance's fate and the configuration's are told (workers: ${workers})`, async () => {
    await using fleet = await start({
      config: { health_check: { interval: 0.1, timeout: 10 }, error_threshold: 2 },
      each: () => ({ max_concurrency: 7 }),
    });
    const stateOf = (found: Scrape, instance: string) =>
      found.lines("gateway_instance_state", { instance }).map(({ labels }) => labels.state);
    await waitFor(
      async () => (await metricsOf(fleet)).sum("gateway_health_checks_total") > 3,
      "health checks",
    );
    const healthy = await metricsOf(fleet);
    assert.deepEqual(stateOf(healthy, "sim-0"), ["healthy"]);
    assert.equal(healthy.sum("gateway_model_available_instances", { model: "demo" }), 2);
    assert.equal(healthy.sum("gateway_instance_max_concurrency", { instance: "sim-1" }), 7);
    assert.equal(healthy.sum("gateway_health_checks_total", { result: "failed" }), 0);

    await fleet.simulators.fail(0, "engine-dead");
    await waitFor(async () => {
      await (await fleet.chat()).body?.cancel();
      return (await metricsOf(fleet)).sum("gateway_downs_total", { instance: "sim-0" }) === 1;
    }, "sim-0 to be down");
    const down = await metricsOf(fleet);
    assert.deepEqual(stateOf(down, "sim-0"), ["down"]);
    assert.equal(down.sum("gateway_model_available_instances", { model: "demo" }), 1);
    assert.ok(down.sum("gateway_health_checks_total", { instance: "sim-0", result: "failed" }) > 1);
    await fleet.simulators.reset(0);
    await waitFor(
      async () => (await metricsOf(fleet)).sum("gateway_recoveries_total") === 1,
      "sim-0 to be back",
    );

    const began = (await metricsOf(fleet)).sum(
      "gateway_config_last_reload_success_timestamp_seconds",
    );
    await fleet.gateway.writeConfig("{ not a config");
    const reloads = async (result: string) =>
      (await metricsOf(fleet)).sum("gateway_config_reloads_total", { result });
    await waitFor(async () => await reloads("failed") >= 1, "the reload to fail");
    assert.equal((await metricsOf(fleet)).sum("gateway_config_last_reload_successful"), 0);
    await fleet.gateway.writeConfig({
      instances: [{ url: fleet.simulators.urls[1], model_name: "other-model", name: "only" }],
    });
    await waitFor(async () => await reloads("done") === 1, "the reload");
    const last = await metricsOf(fleet);
    assert.equal(last.sum("gateway_config_last_reload_successful"), 1);
    assert.ok(last.sum("gateway_config_last_reload_success_timestamp_seconds") > began);
    const named = new Set(
      [...last.families.values()].flatMap(({ lines }) => lines.map((l) => l.labels.instance)),
    );
    for (const gone of ["sim-0", "sim-1"]) assert.ok(!named.has(gone), `${gone} has vanished`);
    assert.equal(last.sum("gateway_in_flight", { instance: "only" }), 0);
  });

  Deno.test(`metrics, dashboard, events and /health agree on every number (workers: ${workers})`, async () => {
    await using fleet = await start({
      count: 3,
      fallbacks: 1,
      config: { resume: "continue", retry: { max_wait: 0 } },
    });
    for (const index of [0, 1]) await fleet.simulators.fail(index, "500", { count: 2 });
    for (let i = 0; i < 6; i++) await (await fleet.chat()).body?.cancel();
    for (const index of [0, 1, 2]) await fleet.simulators.fail(index, "cut:5", { count: 1 });
    for (let i = 0; i < 6; i++) await readSse(await fleet.chat({ ...STREAM, max_tokens: 30 }));
    for (const index of [0, 1, 2]) await fleet.simulators.fail(index, "429", { count: 3 });
    for (let i = 0; i < 4; i++) await (await fleet.chat()).body?.cancel();
    await (await fleet.chat({ model: "nobody's" })).body?.cancel();
    await metricsAfter(fleet, 17);
    // Who is busy is so for a while; from then on all stay as they are.
    await waitFor(
      async () => (await fleet.health()).instances.every(({ state }) => state === "healthy"),
      "all to be healthy again",
    );
    const found = await metricsAfter(fleet, 17);
    const get = async (path: string) => await (await fetch(fleet.gateway.url + path)).json();
    const shown = await get("/dashboard/api/fleet");
    const taken = (labels: Record<string, string>) =>
      found.sum("gateway_requests_total", labels) -
      found.sum("gateway_requests_total", { ...labels, outcome: "rejected" });
    const failed = (labels: Record<string, string>) =>
      found.sum("gateway_requests_total", { ...labels, outcome: "failed" }) +
      found.sum("gateway_requests_total", { ...labels, outcome: "truncated" });
    const tokens = (type: string, labels: Record<string, string>) =>
      found.sum("gateway_tokens_total", { type, ...labels });
    // An instance's errors are its attempts that failed; what the client had of them does not matter.
    const broke = (instance: string) =>
      found.sum("gateway_attempts_total", { instance, outcome: "failed" }) +
      found.sum("gateway_attempts_total", { instance, outcome: "broken" });
    const compare = (one: Record<string, number>, labels: Record<string, string>) =>
      assert.deepEqual([one.requests, one.errors, one.prompt_tokens, one.completion_tokens], [
        taken(labels),
        "instance" in labels ? broke(labels.instance) : failed(labels),
        tokens("prompt", labels),
        tokens("completion", labels),
      ], JSON.stringify(labels));
    compare(shown.totals, {});
    assert.equal(shown.totals.requests, 16);
    for (const one of shown.models) compare(one, { model: one.name });
    const health = await fleet.health();
    for (const [index, one] of shown.instances.entries()) {
      const { name: instance, state } = one;
      compare(one, { instance });
      assert.equal(one.in_flight, found.sum("gateway_in_flight", { instance }));
      assert.equal(found.sum("gateway_instance_state", { instance, state }), 1);
      assert.equal(health.instances[index].state, state);
    }
    const { events } = await get("/dashboard/api/events");
    const told = (kind: string) =>
      events.filter((event: { kind: string }) => event.kind === kind)
        .reduce((sum: number, { count }: { count: number }) => sum + count, 0);
    assert.equal(told("failover"), found.sum("gateway_failovers_total"));
    assert.equal(told("resume"), found.sum("gateway_resumes_total"));
    assert.ok(told("failover") >= 4 && told("resume") >= 3);
    for (const { labels, value } of found.lines("gateway_alerts_total")) {
      assert.equal(told(labels.kind), value, labels.kind);
    }
    const asked = await fleet.counts();
    assert.equal(found.sum("gateway_attempts_total"), asked.reduce((sum, one) => sum + one));
  });

  Deno.test(`who waits in line is counted (workers: ${workers})`, async () => {
    await using fleet = await start({ count: 1, each: () => ({ max_concurrency: 1 }) });
    await fleet.simulators.fail(0, "hang");
    const clients = [new AbortController(), new AbortController(), new AbortController()];
    const asking = clients.map(({ signal }) => fleet.chat({}, { signal }).catch(() => null));
    await waitFor(async () => {
      const found = await metricsOf(fleet);
      return found.sum("gateway_queued", { model: "demo" }) === 2 &&
        found.sum("gateway_in_flight", { instance: "sim-0" }) === 1;
    }, "two to wait and one to be under way");
    for (const client of clients) client.abort();
    await Promise.all(asking);
    const found = await metricsAfter(fleet, 3);
    assert.equal(found.sum("gateway_queued"), 0);
  });
}

Deno.test("/metrics takes GET and HEAD alone, and asks nobody's instance", async () => {
  await using fleet = await startFleet();
  const head = await fetch(`${fleet.gateway.url}/metrics`, { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
  const post = await fetch(`${fleet.gateway.url}/metrics`, { method: "POST", body: "x" });
  assert.notEqual(post.status, 200);
  await post.body?.cancel();
  assert.deepEqual(await fleet.counts(), [0, 0]);
});

// Spans as a collector receives them: one for each request, one below it for each attempt, in the trace
// that the client began.

import assert from "node:assert/strict";
import { chatBody, type Fleet, type FleetOptions, startFleet } from "../faults/fleet.ts";
import { type Collector, type Span, startCollector } from "../support/collector.ts";
import { startGateway, startSimulators } from "../support/processes.ts";
import { readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";

/** Waits for so many spans, and makes sure that there are no more. */
async function spansOf(collector: Collector, count: number): Promise<Span[]> {
  await waitFor(
    () => collector.spans().length >= count,
    () => `${count} spans; there are ${JSON.stringify(collector.spans().map((s) => s.name))}`,
  );
  const spans = collector.spans();
  assert.equal(spans.length, count);
  return spans;
}

const PARENT = { trace: "0af7651916cd43dd8448eb211c80319c", span: "b7ad6b7169203331" };
const sampled = { traceparent: `00-${PARENT.trace}-${PARENT.span}-01` };
const unsampled = { traceparent: `00-${PARENT.trace}-${PARENT.span}-00` };

/** Over fetch Deno puts a span of its own between an attempt and its instance. */
const DIRECT = { transport: "auto" };

/** A client that sends no traceparent but the one given: fetch may add its own where tests are traced. */
function chat(fleet: Fleet, more: Record<string, unknown> = {}, headers?: HeadersInit) {
  return fleet.gateway.post("/v1/chat/completions", chatBody(more), { headers });
}

/** The `traceparent` of every chat request that instance `index` got. */
async function traceparents(fleet: Fleet, index: number): Promise<(string | undefined)[]> {
  return (await fleet.asked(index)).map(({ headers }) => headers.traceparent);
}

for (const workers of [1, 2]) {
  const start = (collector: Collector, options: FleetOptions = {}) =>
    startFleet({
      ...options,
      env: collector.env,
      config: { ...DIRECT, workers, ...options.config },
    });

  Deno.test(`a request is a span in its client's trace, its attempt one below (workers: ${workers})`, async () => {
    await using collector = startCollector();
    await using fleet = await start(collector, { count: 1 });
    const response = await chat(fleet, {
      stream: true,
      stream_options: { include_usage: true },
    }, { ...sampled, "x-request-id": "traced-1" });
    const { usage } = (await readSse(response)).json.findLast((event) => event.usage);
    const [request, attempt] = await spansOf(collector, 2);

    assert.equal(request.traceId, PARENT.trace);
    assert.equal(request.parentSpanId, PARENT.span);
    assert.equal(request.kind, 2);
    assert.equal(request.name, "POST /v1/chat/completions");
    const { "gateway.time_to_first_byte": firstByteS, ...said } = request.attributes;
    assert.ok(Number(firstByteS) > 0);
    assert.deepEqual(said, {
      "http.request.method": "POST",
      "http.route": "/v1/chat/completions",
      "http.response.status_code": 200,
      "server.address": "127.0.0.1",
      "server.port": fleet.gateway.port,
      "client.address": "127.0.0.1",
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "demo",
      "gen_ai.usage.input_tokens": usage.prompt_tokens,
      "gen_ai.usage.output_tokens": usage.completion_tokens,
      "gateway.request_id": "traced-1",
      "gateway.outcome": "complete",
      "gateway.instance": "sim-0",
      "gateway.attempts": 1,
      "gateway.resumes": 0,
      "gateway.stream": true,
    });

    assert.equal(attempt.traceId, PARENT.trace);
    assert.equal(attempt.parentSpanId, request.spanId);
    assert.equal(attempt.kind, 3);
    assert.equal(attempt.name, "chat demo");
    assert.deepEqual(attempt.attributes, {
      "http.response.status_code": 200,
      "server.address": "127.0.0.1",
      "server.port": fleet.simulators.ports[0],
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "demo",
      "gen_ai.usage.input_tokens": usage.prompt_tokens,
      "gen_ai.usage.output_tokens": usage.completion_tokens,
      "gateway.instance": "sim-0",
      "gateway.attempt": 1,
      "gateway.outcome": "answered",
    });
    assert.ok(request.startNs <= attempt.startNs && attempt.endNs <= request.endNs);
    assert.deepEqual(await traceparents(fleet, 0), [`00-${PARENT.trace}-${attempt.spanId}-01`]);
  });

  Deno.test(`a failover and a resume are attempts of one request (workers: ${workers})`, async () => {
    await using collector = startCollector();
    await using fleet = await start(collector, { config: { resume: "continue" } });
    for (const index of [0, 1]) await fleet.simulators.fail(index, "500", { count: 1 });
    const failed = await chat(fleet, {}, sampled);
    assert.equal(failed.status, 200);
    await failed.body?.cancel();
    const [over, ...tries] = await spansOf(collector, 4);
    assert.equal(over.attributes["gateway.attempts"], 3);
    assert.equal(over.status, 0);
    assert.deepEqual(
      tries.map(({ attributes, status, parentSpanId }) => [
        attributes["gateway.attempt"],
        attributes["gateway.outcome"],
        attributes["http.response.status_code"],
        attributes["error.type"],
        status,
        parentSpanId,
      ]),
      [
        [1, "failed", 500, "500", 2, over.spanId],
        [2, "failed", 500, "500", 2, over.spanId],
        [3, "answered", 200, undefined, 0, over.spanId],
      ],
    );

    for (const index of [0, 1]) await fleet.simulators.reset(index);
    const instance = tries[2].attributes["gateway.instance"] === "sim-0" ? 1 : 0;
    await fleet.simulators.fail(instance, "cut:5", { count: 1 });
    assert.ok((await readSse(await chat(fleet, { stream: true }, sampled))).done);
    const all = await spansOf(collector, 7);
    const [resumed, broken, went] = all.slice(4);
    assert.equal(resumed.attributes["gateway.resumes"], 1);
    assert.equal(resumed.attributes["gateway.outcome"], "complete");
    assert.equal(broken.attributes["gateway.outcome"], "broken");
    assert.equal(broken.status, 2);
    assert.equal(went.attributes["gateway.outcome"], "answered");
    assert.equal(went.parentSpanId, resumed.spanId);
    assert.ok(broken.endNs <= went.startNs, "the first ended before the second began");
    const parents = [...await traceparents(fleet, 0), ...await traceparents(fleet, 1)];
    assert.deepEqual(
      parents.sort(),
      [broken, went].map(({ spanId }) => `00-${PARENT.trace}-${spanId}-01`).sort(),
    );
  });
}

Deno.test("what fails says so, what is refused is no failure, and a trace begins where there was none", async () => {
  await using collector = startCollector();
  await using fleet = await startFleet({ count: 1, env: collector.env });
  const unknown = await chat(fleet, { model: "no-such-model" });
  assert.equal(unknown.status, 404);
  await unknown.body?.cancel();
  const [refused] = await spansOf(collector, 1);
  assert.match(refused.traceId, /^[0-9a-f]{32}$/);
  assert.notEqual(refused.traceId, PARENT.trace);
  assert.equal(refused.attributes["gateway.outcome"], "rejected");
  assert.equal(refused.attributes["http.response.status_code"], 404);
  assert.equal(refused.attributes["gen_ai.request.model"], undefined);
  assert.equal(refused.status, 0);

  await fleet.simulators.fail(0, "500");
  const failed = await chat(fleet);
  assert.equal(failed.status, 502);
  await failed.body?.cancel();
  const all = await spansOf(collector, 1 + 1 + (await fleet.counts())[0]);
  assert.equal(all[1].status, 2);
  assert.equal(all[1].attributes["error.type"], "502");
  assert.equal(all[1].attributes["gateway.outcome"], "failed");
  for (const path of ["/health", "/metrics", "/v1/models"]) {
    await (await fetch(fleet.gateway.url + path)).body?.cancel();
  }
  await (await chat(fleet, { model: "still-none" })).body?.cancel();
  assert.deepEqual(
    (await spansOf(collector, all.length + 1)).slice(all.length).map(({ name }) => name),
    ["POST /v1/chat/completions"],
    "what the gateway answers by itself is no span",
  );
});

Deno.test("a client that has its trace not recorded is obeyed, and its traceparent passes", async () => {
  await using collector = startCollector();
  await using fleet = await startFleet({ count: 1, env: collector.env, config: DIRECT });
  await (await chat(fleet, {}, unsampled)).body?.cancel();
  await (await chat(fleet, {}, sampled)).body?.cancel();
  const [, attempt] = await spansOf(collector, 2);
  assert.deepEqual(await traceparents(fleet, 0), [
    unsampled.traceparent,
    `00-${PARENT.trace}-${attempt.spanId}-01`,
  ]);
});

Deno.test("over the fetch transport the instance gets one traceparent, in the same trace", async () => {
  await using collector = startCollector();
  await using fleet = await startFleet({
    count: 1,
    env: collector.env,
    config: { transport: "fetch" },
  });
  await (await chat(fleet, {}, sampled)).body?.cancel();
  await (await chat(fleet, {}, unsampled)).body?.cancel();
  await spansOf(collector, 2);
  for (const traceparent of await traceparents(fleet, 0)) {
    assert.match(traceparent!, new RegExp(`^00-${PARENT.trace}-[0-9a-f]{16}-0[01]$`));
    assert.notEqual(traceparent, sampled.traceparent);
  }
});

Deno.test("without tracing a client's traceparent passes as it came, and nothing is sent", async () => {
  await using simulators = await startSimulators();
  await using gateway = await startGateway({
    config: { instances: [{ url: simulators.urls[0], model_name: "demo" }], health_check: false },
  });
  const headers = { ...sampled, tracestate: "vendor=1" };
  const response = await gateway.post("/v1/chat/completions", chatBody(), { headers });
  assert.equal(response.status, 200);
  await response.body?.cancel();
  const [asked] = (await simulators.requests(0)).filter(({ method }) => method === "POST");
  assert.equal(asked.headers.traceparent, sampled.traceparent);
  assert.equal(asked.headers.tracestate, "vendor=1");
});

// /metrics as text: what a scraper may expect of every metric, and what a large fleet costs.

import assert from "node:assert/strict";
import { Histogram } from "../../lib/observe/histogram.ts";
import type { RoutingLook } from "../../lib/observe/metrics/routing_look.ts";
import { Metrics } from "../../lib/observe/metrics.ts";
import { CATALOG } from "../../lib/observe/metrics/catalog.ts";
import type { Look } from "../../lib/observe/metrics/metric.ts";
import type { UsageLook } from "../../lib/observe/metrics/usage_look.ts";
import { OUTCOMES, RESUME_WAYS, TRY_OUTCOMES } from "../../lib/observe/report.ts";
import { Tally } from "../../lib/observe/tally.ts";
import { parseMetrics } from "../support/prometheus.ts";
import { REPORT } from "./sample_report.ts";

interface Named {
  name: string;
  models: string[];
}

function tallyOf(instances: Named[]): Tally {
  const tally = new Tally(1_700_000_000_000);
  tally.configure({ instances });
  return tally;
}

const SHARED = { isUp: true, errors: 2, durations: new Histogram([0.001, 0.05]) };

const ROUTING: RoutingLook = {
  instances: [{
    name: "a",
    decisions: { prefix: 3, home: 0 },
    matched: 5000,
    uncached: 800,
    cached: 4800,
    errorS: 0.4,
    compared: 3,
    speed: 9000,
    trust: 0.96,
    pending: 0,
    unanswered: 0,
    seen: { running: 1, waiting: 0, kvUsage: 0.4, queries: 1, hits: 0, ageS: 1.2 },
    chunks: 40,
  }],
  models: [{ name: "m", backlogS: 0.2, saturation: 0.4, instances: 1, wanted: 1 }],
  replaced: 0,
};

function lookAt(tally: Tally, instances: Named[], usage: UsageLook | null): Look {
  return {
    tally,
    instances: instances.map(({ name }) => ({
      name,
      state: "healthy",
      inFlight: 3,
      maxConcurrency: 64,
    })),
    models: [...new Set(instances.flatMap(({ models }) => models))].map((name) => ({
      name,
      waiting: 0,
      available: 1,
    })),
    records: { written: 5, dropped: 0, failed: 0, queued: 1, diskFreeBytes: 80_103_563_264 },
    usage,
    // Only where there is one, as with keys.
    sharedState: usage === null ? null : SHARED,
    discovery: [{ name: "dns vllm", found: 2, error: null, errors: 1, answeredAt: 1e12 }],
    routing: usage === null ? null : ROUTING,
    peers: {
      ...{
        others: [{ name: "gw-2:9999", age: 0.1 }],
        isLate: false,
        sent: 3,
        taken: 2,
        failures: 1,
      },
      refused: [["token", 4]],
    },
    process: { residentBytes: 1e8, cpuSeconds: 12.5, openFiles: 30 },
    version: "1.0.0",
    workers: 2,
    saturatedWorkers: 1,
    turnedAway: { open_files: 0, per_address: 0 },
    bodies: { heldBytes: 0, refused: 0 },
  };
}

async function scrape(tally: Tally, instances: Named[], usage: UsageLook | null = null) {
  return parseMetrics(await new Metrics().text(lookAt(tally, instances, usage)));
}

const one: Named[] = [{ name: "a", models: ["m"] }];

Deno.test("names, types and words keep Prometheus' conventions", () => {
  const names = CATALOG.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, "each name once");
  for (const { name, type, help } of CATALOG) {
    assert.match(name, /^(gateway|process)_[a-z_]+$/);
    assert.equal(type === "counter", name.endsWith("_total"), name);
    assert.ok(!name.includes("milli"), `${name}: base units`);
    assert.match(help, /^[A-Z1].*[^.]$/, `${name}: a sentence without full stop`);
  }
});

Deno.test("every line has exactly the labels that its metric names", async () => {
  const tally = tallyOf(one);
  tally.request(REPORT);
  tally.request({ ...REPORT, instance: "", attempts: [{ instance: "a", outcome: "failed" }] });
  tally.alert("instance_down");
  const charged = { prompt: 7, cached: 0, completion: 11, cost: 0, estimated: false };
  const limits = { limited: "concurrency", queued: true, estimatedPrompt: 5 };
  const caller = { key: "web", group: "", recordsWords: true, ...limits, charged };
  tally.request({ ...REPORT, caller });
  tally.request({ ...REPORT, turnedAway: "invalid_api_key" });
  const hit = { stage: "answer", mode: "enforce", action: "cut", channel: "content" } as const;
  tally.request({ ...REPORT, policies: [{ name: "words", ...hit, choice: 0, count: 2 }] });
  const policyChecks = [{ policy: "guard", stage: "answer", count: 2, ms: [3, 700] } as const];
  tally.request({ ...REPORT, policyFaults: [], policyChecks, policyHeldMs: 40 });
  tally.request({ ...REPORT, policyFaults: [{ policy: "guard", reason: "timeout" }] });
  const { families } = await scrape(tally, one, {
    keys: new Map([["web", {
      outcomes: new Map([["complete", 1]]),
      models: new Map([["m", { prompt: 3, cached: 1, completion: 2 }]]),
      sum: { cost: 0.5 },
    }]]),
    estimated: new Map([["aborted", 1]]),
    budgets: [
      { scope: "key", name: "web", period: "month", usedRatio: 0.5 },
      { scope: "group", name: "team", period: "day", usedRatio: 1 },
    ],
    inFlight: new Map([["web", 2]]),
  });
  assert.deepEqual([...families.keys()], CATALOG.map(({ name }) => name));
  for (const { name, labels } of CATALOG) {
    const { lines } = families.get(name)!;
    assert.ok(lines.length > 0, name);
    for (const { labels: found } of lines) {
      const { le: _, ...own } = found;
      assert.deepEqual(Object.keys(own).sort(), [...labels].sort(), name);
    }
  }
});

Deno.test("a request is counted under its model, instance, route, outcome and status", async () => {
  const tally = tallyOf([...one, { name: "b", models: ["m"] }]);
  tally.request(REPORT);
  tally.request({ ...REPORT, outcome: "aborted", firstByteMs: null, completionTokens: null });
  const found = await scrape(tally, one);
  const labels = { model: "m", instance: "a", route: "/v1/chat/completions" };
  assert.deepEqual(
    found.lines("gateway_requests_total").map(({ labels, value }) => [labels, value]),
    [
      [{ ...labels, outcome: "complete", status: "200" }, 1],
      [{ ...labels, outcome: "aborted", status: "200" }, 1],
    ],
  );
  assert.equal(found.sum("gateway_client_aborts_total", { phase: "waiting" }), 1);
  assert.equal(found.sum("gateway_tokens_total", { type: "prompt" }), 14);
  assert.equal(found.sum("gateway_tokens_total", { type: "completion" }), 11);
  assert.equal(found.sum("gateway_attempts_total", { instance: "a", outcome: "answered" }), 2);
  assert.equal(found.sum("gateway_request_duration_seconds_sum"), 2.06);
  assert.equal(found.sum("gateway_time_to_first_token_seconds_bucket", { le: "0.025" }), 0);
  assert.equal(found.sum("gateway_time_to_first_token_seconds_bucket", { le: "0.05" }), 1);
  assert.equal(found.sum("gateway_inter_token_seconds_sum"), 0.1);
  assert.equal(found.sum("gateway_instance_inter_token_seconds_count", { instance: "a" }), 1);
  assert.equal(found.sum("gateway_tokens_per_second_bucket", { le: "10" }), 0);
  assert.equal(found.sum("gateway_tokens_per_second_bucket", { le: "20" }), 1);
});

Deno.test("statuses that are not usual are counted by their hundred", async () => {
  const tally = tallyOf(one);
  for (let status = 400; status < 600; status++) {
    tally.request({ ...REPORT, outcome: "rejected", status });
  }
  const found = await scrape(tally, one);
  const statuses = new Set(
    found.lines("gateway_requests_total").map(({ labels }) => labels.status),
  );
  assert.ok(statuses.size < 20, [...statuses].join());
  assert.equal(found.sum("gateway_requests_total", { status: "404" }), 1);
  assert.ok(found.sum("gateway_requests_total", { status: "4xx" }) > 80);
  assert.equal(found.sum("gateway_requests_total"), 200);
});

Deno.test("a whole answer has no time to its first token, a stream without usage no tokens", async () => {
  const tally = tallyOf(one);
  tally.request({ ...REPORT, streamed: false, pieces: 0 });
  tally.request({ ...REPORT, promptTokens: null, completionTokens: null });
  const found = await scrape(tally, one);
  assert.equal(found.sum("gateway_time_to_first_token_seconds_count"), 1);
  assert.equal(found.sum("gateway_tokens_total"), 18);
  assert.equal(found.sum("gateway_tokens_per_second_count"), 1);
  assert.equal(found.sum("gateway_inter_token_seconds_count"), 1, "by its events");
});

Deno.test("failovers are the attempts that failed where a later one answered", async () => {
  const two = [...one, { name: "b", models: ["m"] }];
  const tally = tallyOf(two);
  const failed = { instance: "a", outcome: "failed" } as const;
  tally.request({
    ...REPORT,
    instance: "b",
    attempts: [failed, { instance: "b", outcome: "answered" }],
  });
  tally.request({ ...REPORT, instance: "", outcome: "failed", attempts: [failed] });
  const found = await scrape(tally, two);
  assert.equal(found.sum("gateway_attempts_total", { instance: "a", outcome: "failed" }), 2);
  assert.equal(found.sum("gateway_failovers_total"), 1);
  assert.equal(found.sum("gateway_requests_total", { instance: "none" }), 1);
});

Deno.test("names that a client makes up never become labels", async () => {
  const tally = tallyOf(one);
  for (let i = 0; i < 1000; i++) {
    tally.request({
      ...REPORT,
      model: `made up ${i}`,
      instance: "",
      outcome: "rejected",
      attempts: [],
    });
  }
  tally.request({ ...REPORT, model: "", instance: "", outcome: "rejected", attempts: [] });
  const found = await scrape(tally, one);
  assert.equal(found.sum("gateway_requests_total", { model: "other" }), 1000);
  assert.equal(found.sum("gateway_requests_total", { model: "none" }), 1);
  const models = found.lines("gateway_requests_total").map(({ labels }) => labels.model);
  assert.deepEqual([...new Set(models)].sort(), ["none", "other"]);
});

Deno.test("what the configuration no longer names vanishes, and what it names is there at once", async () => {
  const tally = tallyOf(one);
  tally.request(REPORT);
  const next = [{ name: "b", models: ["n"] }];
  tally.configure({ instances: next });
  // One that was under way during the reload.
  tally.request(REPORT);
  const text = await new Metrics().text(lookAt(tally, next, null));
  assert.ok(!/(model|instance)="[am]"/.test(text));
  const found = parseMetrics(text);
  assert.equal(found.sum("gateway_requests_total", { model: "other", instance: "other" }), 1);
  assert.equal(found.sum("gateway_attempts_total", { instance: "b" }), 0);
  assert.equal(found.lines("gateway_attempts_total", { instance: "b" }).length, 2);
});

Deno.test("labels of any text survive", async () => {
  const odd = [{ name: 'a "quoted" \\ name', models: ["org/model\nlarge {x}, é"] }];
  const tally = tallyOf(odd);
  tally.request({ ...REPORT, instance: odd[0].name, model: odd[0].models[0] });
  const found = await scrape(tally, odd);
  const labels = { instance: odd[0].name, model: odd[0].models[0] };
  assert.equal(found.sum("gateway_requests_total", labels), 1);
});

/** 50 instances, 20 models, two APIs in use, and a bad day for each instance. */
function largeFleet() {
  const instances = Array.from({ length: 50 }, (_, index) => ({
    name: `gpu-node-${index}:8000`,
    models: [`org/model-${index % 20}`],
  }));
  const tally = tallyOf(instances);
  for (const { name, models } of instances) {
    for (const model of models) {
      for (const route of ["/v1/chat/completions", "/v1/completions"]) {
        for (const outcome of OUTCOMES.slice(0, 3)) {
          const request = { ...REPORT, instance: name, model, route, outcome, durationMs: 12345.6 };
          for (let i = 0; i < 1000; i++) tally.request(request);
        }
      }
    }
    const attempts = TRY_OUTCOMES.slice(0, 5).map((outcome) => ({ instance: name, outcome }));
    const resumes = RESUME_WAYS.map((way) => ({ from: name, to: name, way, atChars: 3 }));
    tally.request({ ...REPORT, instance: name, model: models[0], attempts, resumes });
    tally.poolEvent("instance_ejected", name);
    tally.healthCheck(name, true);
  }
  return { tally, instances };
}

Deno.test("50 instances and 20 models stay under 210 kB", async () => {
  const { tally, instances } = largeFleet();
  const metrics = new Metrics();
  const times: number[] = [];
  let text = "";
  for (let i = 0; i < 15; i++) {
    const began = performance.now();
    text = await metrics.text(lookAt(tally, instances, null));
    times.push(performance.now() - began);
  }
  parseMetrics(text);
  const bytes = new TextEncoder().encode(text).length;
  assert.ok(bytes < 210_000, `${bytes} bytes`);
  const [best, median] = [Math.min(...times), times.sort((a, b) => a - b)[7]];
  console.log(
    `${bytes} bytes, ${text.split("\n").length} lines, ` +
      `${best.toFixed(1)} ms at best, ${median.toFixed(1)} ms as a rule`,
  );
});

Deno.test("an instance is in exactly one state", async () => {
  const found = await scrape(tallyOf(one), one);
  const states = found.lines("gateway_instance_state", { instance: "a" });
  assert.deepEqual(states.map(({ labels, value }) => [labels.state, value]), [["healthy", 1]]);
});

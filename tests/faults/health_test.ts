// Active checks: a dead, stopped or broken instance is out before a client meets it, and back once it
// answers again. Times are printed, never asserted.

import assert from "node:assert/strict";
import {
  type GatewayProcess,
  type Simulators,
  startGateway,
  startSimulators,
} from "../support/processes.ts";
import { parseMetrics } from "../support/prometheus.ts";
import { waitFor } from "../support/wait.ts";
import { chatBody, contentOf, exactRecordsOf, healthOf, settled } from "./fleet.ts";
import { freePort } from "../support/ports.ts";

/** A stand-in for `instances` single processes, so that each can be killed and stopped by itself. */
interface Stand extends AsyncDisposable {
  machines: Simulators[];
  gateway: GatewayProcess;
  state(name: string): Promise<string>;
  becomes(name: string, ...states: string[]): Promise<void>;
  /** Sends `count` requests one after the other; the names of the instances that answered. */
  ask(count: number): Promise<string[]>;
  /** Paths that the gateway asked of a machine for clients. */
  asked(index: number): Promise<number>;
}

async function stand(
  config: Record<string, unknown> = {},
  options: { machines?: number; fallback?: boolean } = {},
): Promise<Stand> {
  const { machines: count = 2, fallback = false } = options;
  const machines: Simulators[] = [];
  // One that is killed is started again on its port.
  for (let index = 0; index < count; index++) {
    machines.push(await startSimulators({ args: ["--port", String(freePort())] }));
  }
  const entries = machines.map(({ urls: [url] }, index) => ({
    url,
    model_name: "demo",
    name: fallback && index === count - 1 ? "paid" : `sim-${index}`,
  }));
  const gateway = await startGateway({
    config: {
      instances: fallback ? entries.slice(0, -1) : entries,
      fallback_instances: fallback ? entries.slice(-1) : [],
      health_check: { interval: 0.1, timeout: 2 },
      retry: { max_wait: 0.2 },
      error_threshold: 1000,
      slow_start: 0,
      ...config,
    },
  });
  const state = async (name: string) =>
    (await healthOf(gateway)).instances.find((one) => one.name === name)!.state;
  return {
    machines,
    gateway,
    state,
    becomes: (name, ...states) =>
      waitFor(async () => states.includes(await state(name)), `${name} to be ${states}`),
    async ask(count) {
      const answered: string[] = [];
      for (let i = 0; i < count; i++) {
        const response = await gateway.post("/v1/chat/completions", chatBody());
        answered.push(response.headers.get("x-gateway-instance") ?? "");
        assert.ok(await contentOf(response));
      }
      return answered;
    },
    asked: async (index) =>
      (await machines[index].requests(0)).filter(({ path }) => path.startsWith("/v1/chat")).length,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      for (const machine of machines) {
        machine.process.signal("SIGCONT");
        await machine[Symbol.asyncDispose]();
      }
    },
  };
}

const report = (what: string, since: number) =>
  console.log(`    ${what}: ${Math.round(performance.now() - since)} ms`);

Deno.test("a killed instance is out before a client meets it, restarted it is back", async () => {
  await using s = await stand({ error_threshold: 1000 });
  assert.deepEqual((await s.ask(4)).sort(), ["sim-0", "sim-0", "sim-1", "sim-1"]);
  const { ports: [port], process } = s.machines[0];
  let since = performance.now();
  await process.kill();
  await s.becomes("sim-0", "down");
  report("a killed instance is out after", since);
  assert.deepEqual(new Set(await s.ask(10)), new Set(["sim-1"]));
  since = performance.now();
  s.machines[0] = await startSimulators({ args: ["--port", String(port)] });
  report("its start took", since);
  since = performance.now();
  await s.becomes("sim-0", "healthy");
  report("a restarted instance is back after", since);
  assert.deepEqual((await s.ask(4)).sort(), ["sim-0", "sim-0", "sim-1", "sim-1"]);

  const { complete } = await exactRecordsOf(s.gateway, 18, 0);
  for (const { meta } of complete) {
    assert.deepEqual(meta.attempts?.filter(({ error }) => error) ?? [], [], "no client met it");
  }
  await s.gateway.process.waitForOutput(/instance_down[^]*instance_recovered/);
  await settled(s.gateway);
});

Deno.test("checked seldom, a dead instance is found by the first request that fails, and back at once", async () => {
  // Only while it is down it is asked every second, whatever the interval.
  await using s = await stand({ health_check: { interval: 600, timeout: 1 } });
  const { ports: [port], process } = s.machines[0];
  await s.ask(2);
  // The one check of the start may come late, and would find it dead before a request does.
  await waitFor(async () => {
    const metrics = parseMetrics(await (await fetch(`${s.gateway.url}/metrics`)).text());
    return metrics.sum("gateway_health_checks_total", { result: "passed" }) === 2;
  }, "the first checks");
  await process.kill();
  // The first request that fails, and is made up for elsewhere, has it looked at.
  assert.deepEqual(await s.ask(2), ["sim-1", "sim-1"]);
  await s.becomes("sim-0", "down");
  const { complete } = await exactRecordsOf(s.gateway, 4, 0);
  const met = complete.flatMap(({ meta }) => meta.attempts ?? []).filter(({ error }) => error);
  assert.equal(met.length, 1, "one request met it");
  await s.ask(4);
  s.machines[0] = await startSimulators({ args: ["--port", String(port)] });
  const since = performance.now();
  await s.becomes("sim-0", "healthy");
  report("back after", since);
  assert.ok((await s.ask(2)).includes("sim-0"));
  await exactRecordsOf(s.gateway, 10, 0);
  await settled(s.gateway);
});

Deno.test("an instance that is stopped (SIGSTOP) is out, continued it is back", async () => {
  await using s = await stand();
  await s.ask(2);
  let since = performance.now();
  s.machines[0].process.signal("SIGSTOP");
  await s.becomes("sim-0", "down");
  report("a stopped instance is out after", since);
  assert.deepEqual(new Set(await s.ask(6)), new Set(["sim-1"]));
  since = performance.now();
  s.machines[0].process.signal("SIGCONT");
  await s.becomes("sim-0", "healthy");
  report("a continued instance is back after", since);
  assert.ok((await s.ask(2)).includes("sim-0"));
  assert.equal(await s.asked(0), 2, "nothing was sent to it meanwhile");
  await exactRecordsOf(s.gateway, 10, 0);
  await settled(s.gateway);
});

Deno.test("an engine that is dead behind a living server (503) is out until it is well", async () => {
  await using s = await stand();
  await s.machines[0].fail(0, "engine-dead");
  await s.becomes("sim-0", "down");
  assert.deepEqual(new Set(await s.ask(4)), new Set(["sim-1"]));
  await s.machines[0].reset(0);
  await s.becomes("sim-0", "healthy");
  assert.ok((await s.ask(2)).includes("sim-0"));
  await s.gateway.process.waitForOutput(/instance_down.*GET \/health answered 503/);
  await exactRecordsOf(s.gateway, 6, 0);
  await settled(s.gateway);
});

Deno.test("one failed check of a server that answers does not take it out", async () => {
  await using s = await stand();
  await s.machines[0].fail(0, "503:1:path=/health");
  await waitFor(async () => {
    const checks = (await s.machines[0].requests(0)).filter(({ path }) => path === "/health");
    const failed = checks.findIndex(({ status }) => status === 503);
    return failed >= 0 && checks.length > failed + 2;
  }, "the checks to go on");
  assert.equal(await s.state("sim-0"), "healthy");
  await s.gateway.stop();
  assert.ok(!s.gateway.output().includes("instance_down"));
});

Deno.test("an instance that answers /health but no request is found by its failures", async () => {
  await using s = await stand({ error_threshold: 3, ejection_time: 600, max_ejection_time: 600 });
  await s.machines[0].fail(0, "500");
  for (const name of await s.ask(8)) assert.equal(name, "sim-1");
  assert.equal(await s.state("sim-0"), "ejected");
  assert.equal(await s.asked(0), 3, "asked as often as the threshold says");
  // Checks that merely go on succeeding do not bring it back.
  const checks = async () =>
    (await s.machines[0].requests(0)).filter(({ path }) => path === "/health").length;
  const before = await checks();
  await waitFor(async () => await checks() >= before + 3, "further checks");
  assert.equal(await s.state("sim-0"), "ejected");
  await s.ask(4);
  assert.equal(await s.asked(0), 3);
  await exactRecordsOf(s.gateway, 12, 0);
  await settled(s.gateway);
  await s.gateway.stop();
  assert.equal(s.gateway.output().match(/instance_ejected/g)?.length, 1);
});

Deno.test("a wrong health path (404) is no reason to be out", async () => {
  await using s = await stand({ health_check: { interval: 0.1, path: "/nothing-here" } });
  await waitFor(async () => {
    const seen = await s.machines[0].requests(0);
    return seen.filter(({ path }) => path === "/nothing-here").length >= 3;
  }, "three checks");
  assert.equal(await s.state("sim-0"), "healthy");
  await s.ask(2);
});

Deno.test("all private instances hang: the fallback answers, and they are not asked", async () => {
  await using s = await stand({}, { machines: 3, fallback: true });
  for (const index of [0, 1]) s.machines[index].process.signal("SIGSTOP");
  await s.becomes("sim-0", "down");
  await s.becomes("sim-1", "down");
  assert.deepEqual(await s.ask(4), ["paid", "paid", "paid", "paid"]);
  const { complete } = await exactRecordsOf(s.gateway, 4, 0);
  for (const { meta } of complete) assert.equal(meta.attempts?.length ?? 1, 1, "the first try");
  for (const index of [0, 1]) {
    s.machines[index].process.signal("SIGCONT");
    await s.becomes(`sim-${index}`, "healthy");
    assert.equal(await s.asked(index), 0);
  }
  assert.ok(!(await s.ask(4)).includes("paid"), "the private ones again");
  const paid = await s.machines[2].requests(0);
  assert.equal(
    paid.filter(({ path }) => path === "/health").length,
    0,
    "fallbacks are not checked",
  );
  await settled(s.gateway);
});

Deno.test("all instances down and no fallback: /health says 503, requests still try", async () => {
  await using s = await stand({}, { machines: 1 });
  const { ports: [port], process } = s.machines[0];
  await process.kill();
  await s.becomes("sim-0", "down");
  const health = await fetch(`${s.gateway.url}/health`);
  assert.equal(health.status, 503);
  assert.equal((await health.json()).status, "unavailable");
  const failed = await s.gateway.post("/v1/chat/completions", chatBody());
  assert.equal(failed.status, 502);
  assert.match((await failed.json()).error.message, /sim-0: /);
  s.machines[0] = await startSimulators({ args: ["--port", String(port)] });
  // A request that succeeds proves it alive, before any check does.
  assert.deepEqual(await s.ask(1), ["sim-0"]);
  await s.becomes("sim-0", "healthy");
  await settled(s.gateway);
});

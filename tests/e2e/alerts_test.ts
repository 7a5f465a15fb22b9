// A gateway whose fleet gets into trouble and out of it: what arrives at the address that is to be told,
// and that nobody waits for it.

import assert from "node:assert/strict";
import { type Received, type Receiver, startReceiver } from "../alert/receiver.ts";
import { chatBody } from "../faults/fleet.ts";
import { startGateway, startSimulators } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { freePort } from "../support/ports.ts";

const ok = () => new Response("ok");

interface Told {
  kind: string;
  subject: string;
  state: "firing" | "resolved";
  severity: string;
  message: string;
}

/** All alerts that came, in singles and summaries. */
const told = ({ received }: Receiver): Told[] =>
  received.flatMap(({ json }: Received) => json.alerts as Told[]);

async function hears(
  receiver: Receiver,
  kind: string,
  subject: string,
  state: Told["state"] = "firing",
): Promise<Told> {
  const find = () =>
    told(receiver).find((one) =>
      one.kind === kind && one.subject === subject && one.state === state
    );
  await waitFor(
    () => find() !== undefined,
    () => `${state} ${kind} ${subject}; there are ${JSON.stringify(told(receiver))}`,
  );
  return find()!;
}

const webhook = (receiver: Receiver) => ({
  type: "webhook",
  url: `${receiver.origin}/hooks/s3cretpath`,
});

/** Summaries each half second. */
const RULES = { summary_window: 0.5 };

Deno.test("an instance that is killed and comes back is told as down and as recovered", async () => {
  await using receiver = startReceiver(ok);
  await using steady = await startSimulators();
  const port = String(freePort());
  let mortal = await startSimulators({ args: ["--port", port] });
  try {
    await using gateway = await startGateway({
      config: {
        instances: [
          { url: steady.urls[0], model_name: "demo", name: "steady" },
          { url: mortal.urls[0], model_name: ["demo", "lonely"], name: "mortal" },
        ],
        health_check: { interval: 0.2, path: "/health", timeout: 2 },
        alerts: [webhook(receiver)],
        alert_rules: RULES,
      },
    });
    await mortal.process.kill();
    const down = await hears(receiver, "instance_down", "mortal");
    assert.equal(down.severity, "warning");
    const model = await hears(receiver, "no_instance", "lonely");
    assert.equal(model.severity, "critical");
    assert.match(model.message, /mortal down/);
    assert.equal((await gateway.post("/v1/chat/completions", chatBody())).status, 200);
    mortal = await startSimulators({ args: ["--port", port] });
    await hears(receiver, "instance_recovered", "mortal", "resolved");
    await hears(receiver, "no_instance", "lonely", "resolved");
    assert.ok(!told(receiver).some(({ subject }) => subject === "demo" || subject === "steady"));
    await gateway.stop();
    assert.ok(!gateway.output().includes("s3cretpath"));
  } finally {
    await mortal.process.kill();
  }
});

Deno.test("an ejected instance, a fallback and their ends are told", async () => {
  await using receiver = startReceiver(ok);
  await using simulators = await startSimulators({ count: 3 });
  await using gateway = await startGateway({
    config: {
      instances: simulators.urls.slice(0, 2).map((url, index) => ({
        url,
        model_name: "demo",
        name: `sim-${index}`,
      })),
      fallback_instances: [{ url: simulators.urls[2], model_name: "demo", name: "paid" }],
      health_check: false,
      error_threshold: 2,
      error_window: 10,
      ejection_time: 1,
      retry: { max_wait: 0 },
      alerts: [webhook(receiver)],
      alert_rules: { ...RULES, window: 2, error_rate: null },
    },
  });
  const ask = async () => {
    const response = await gateway.post("/v1/chat/completions", chatBody());
    await response.body?.cancel();
    assert.equal(response.status, 200);
    return response.headers.get("x-gateway-instance");
  };
  for (const index of [0, 1]) await simulators.fail(index, "500");
  await waitFor(async () => {
    assert.equal(await ask(), "paid");
    return told(receiver).some(({ kind }) => kind === "instance_ejected");
  }, "the ejection");
  const paid = await hears(receiver, "fallback_in_use", "paid");
  assert.match(paid.message, /demo/);
  for (const index of [0, 1]) await simulators.reset(index);
  const { subject } = told(receiver).find(({ kind }) => kind === "instance_ejected")!;
  await waitFor(async () => {
    await ask();
    return told(receiver).some((one) => one.kind === "instance_recovered");
  }, "the recovery");
  await hears(receiver, "instance_recovered", subject, "resolved");
  await hears(receiver, "fallback_in_use", "paid", "resolved");
});

Deno.test("errors, late first tokens, a refused configuration and a full disk are told", async () => {
  await using receiver = startReceiver(ok);
  await using simulators = await startSimulators({ count: 1, args: ["--ttft", "0.05"] });
  const config = {
    instances: [{ url: simulators.urls[0], model_name: "demo", name: "sim" }],
    health_check: false,
    error_threshold: 1000,
    retry: { max_wait: 0 },
    alerts: [webhook(receiver)],
    alert_rules: {
      ...RULES,
      window: 2,
      min_requests: 5,
      first_token_s: 0.01,
      disk_free_bytes: Number.MAX_SAFE_INTEGER,
    },
  };
  await using gateway = await startGateway({ config });
  const ask = async () => {
    const response = await gateway.post("/v1/chat/completions", chatBody({ stream: true }));
    await response.text();
    return response.status;
  };
  /** Asks until it is told: what a window counts does not wait for a slow machine. */
  const askUntil = (kind: string, isExpected: (status: number) => boolean) =>
    waitFor(async () => {
      const status = await ask();
      assert.ok(isExpected(status), `${status}`);
      return told(receiver).some((one) => one.kind === kind);
    }, kind);
  await askUntil("first_token_slow", (status) => status === 200);
  await hears(receiver, "first_token_slow", "demo");
  await simulators.fail(0, "500");
  await askUntil("error_rate", (status) => status >= 500);
  const rate = await hears(receiver, "error_rate", "demo");
  assert.match(rate.message, /\d+ of \d+ requests failed/);
  await hears(receiver, "no_instance", "demo");
  await simulators.reset(0);
  assert.equal(await ask(), 200);
  await hears(receiver, "no_instance", "demo", "resolved");
  await hears(receiver, "error_rate", "demo", "resolved");
  await hears(receiver, "first_token_slow", "demo", "resolved");
  await gateway.writeConfig({ ...config, instancez: [] });
  const refused = await hears(receiver, "reload_failed", "config");
  assert.match(refused.message, /instancez/);
  await gateway.writeConfig(config);
  await hears(receiver, "reload_failed", "config", "resolved");
  // The folder of records is made with the first of them; the disk is looked at every 30 s.
  await waitFor(
    () => told(receiver).some(({ kind }) => kind === "disk_low"),
    () => `disk_low in ${gateway.output()}`,
    60_000,
  );
  // Each channel goes at its own pace; all are through when the gateway ends.
  await gateway.stop();
  let log = "";
  for await (const { name } of Deno.readDir(`${gateway.dataDir}/errors`)) {
    log += await Deno.readTextFile(`${gateway.dataDir}/errors/${name}`);
  }
  assert.match(log, / error_rate instance=demo count=1 error=/);
  assert.match(log, / error_rate instance=demo state=resolved /);
});

Deno.test("a channel that hangs delays no request, and the end by seconds at most", async () => {
  await using hanging = startReceiver(() => new Promise(() => {}));
  await using receiver = startReceiver(ok);
  await using simulators = await startSimulators({ count: 2 });
  await using gateway = await startGateway({
    config: {
      instances: simulators.urls.map((url, index) => ({
        url,
        model_name: "demo",
        name: `sim-${index}`,
      })),
      health_check: false,
      error_threshold: 1,
      alerts: [webhook(hanging), webhook(receiver)],
      alert_rules: RULES,
    },
  });
  const ask = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const response = await gateway.post("/v1/chat/completions", chatBody());
      assert.equal(response.status, 200);
      await response.body?.cancel();
    }
  };
  await simulators.fail(0, "500");
  await ask(2);
  await waitFor(() => hanging.received.length > 0, "the message that hangs");
  await hears(receiver, "instance_ejected", "sim-0");
  await ask(50);
  const { code } = await gateway.stop(60_000);
  assert.equal(code, 0, gateway.output());
  assert.match(gateway.output(), /channel "webhook" did not take "an alert": .*given up/);
});

Deno.test("what was raised last is still sent at the end", async () => {
  await using receiver = startReceiver(ok);
  await using simulators = await startSimulators({ count: 2 });
  await using gateway = await startGateway({
    config: {
      instances: simulators.urls.map((url, index) => ({
        url,
        model_name: "demo",
        name: `sim-${index}`,
      })),
      health_check: false,
      error_threshold: 1,
      alerts: [webhook(receiver)],
      alert_rules: { summary_window: 3600 },
    },
  });
  await simulators.fail(0, "500");
  for (let i = 0; i < 2; i++) {
    await (await gateway.post("/v1/chat/completions", chatBody())).body?.cancel();
  }
  await gateway.process.waitForOutput(/instance_ejected/);
  assert.equal((await gateway.stop(60_000)).code, 0);
  assert.deepEqual(told(receiver).map(({ kind }) => kind), ["instance_ejected"]);
});

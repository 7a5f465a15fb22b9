// One incident from begin to end: an instance is killed, one hangs, the engine of the last one dies, the
// fallback serves, all come back. Dashboard, events, `status`, /health and the error log must tell the
// same story with the same numbers.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, startGateway, startProcess, startSimulators } from "../support/processes.ts";
import { chatBody, settled } from "../faults/fleet.ts";
import { waitFor } from "../support/wait.ts";

interface Instance {
  name: string;
  state: string;
  requests: number;
  errors: number;
  in_flight: number;
}

Deno.test("an incident reads the same in the dashboard, the events, status and /health", async () => {
  await using first = await startSimulators();
  await using second = await startSimulators();
  await using third = await startSimulators();
  await using paid = await startSimulators();
  const entry = (name: string, url: string) => ({ name, url, model_name: "demo" });
  await using gateway = await startGateway({
    config: {
      health_check: { interval: 0.2, path: "/health", timeout: 0.5 },
      timeouts: { connect: 1, first_byte: 5 },
      slow_start: 0,
      alert_cooldown: 0,
      instances: [
        entry("killed", first.urls[0]),
        entry("hangs", second.urls[0]),
        entry("dies", third.urls[0]),
      ],
      fallback_instances: [entry("paid", paid.urls[0])],
    },
  });
  let chats = 0;
  const chat = async () => {
    const response = await gateway.post("/v1/chat/completions", chatBody());
    assert.equal(response.status, 200, await response.text());
    chats++;
    return response.headers.get("x-gateway-instance");
  };
  const api = async (path: string) =>
    await (await fetch(`${gateway.url}/dashboard/api/${path}`)).json();
  const states = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await api("fleet")).instances.map((one: Instance) => [one.name, one.state]),
    );
  const becomes = (name: string, state: string) =>
    waitFor(async () => (await states())[name] === state, `${name} to be ${state}`, 15_000);

  for (let i = 0; i < 6; i++) await chat();
  await first.process.kill();
  await becomes("killed", "down");
  for (let i = 0; i < 4; i++) assert.notEqual(await chat(), "killed");
  second.process.signal("SIGSTOP");
  await becomes("hangs", "down");
  for (let i = 0; i < 3; i++) assert.equal(await chat(), "dies");
  assert.equal((await api("fleet")).status, "degraded");
  await third.fail(0, "engine-dead");
  assert.equal(await chat(), "paid");
  await becomes("dies", "down");
  for (let i = 0; i < 3; i++) assert.equal(await chat(), "paid");
  second.process.signal("SIGCONT");
  await becomes("hangs", "healthy");
  assert.equal(await chat(), "hangs");
  await third.reset(0);
  await using again = await startSimulators({ args: ["--port", String(first.ports[0])] });
  assert.deepEqual(again.ports, first.ports);
  for (const name of ["dies", "killed"]) await becomes(name, "healthy");
  for (let i = 0; i < 3; i++) assert.notEqual(await chat(), "paid");
  await settled(gateway);

  await waitFor(async () => (await api("fleet")).totals.requests === chats, "all requests counted");
  const fleet = await api("fleet");
  const { events } = await api("events") as {
    events: { kind: string; subject: string; count: number }[];
  };
  const count = (kind: string, subject: string) =>
    events.filter((one) => one.kind === kind && one.subject === subject)
      .reduce((sum, one) => sum + one.count, 0);
  assert.deepEqual(
    ["killed", "hangs", "dies"].map((name) => count("instance_down", name)),
    [1, 1, 1],
  );
  assert.deepEqual(
    ["killed", "hangs", "dies"].map((name) => count("instance_recovered", name)),
    [1, 1, 1],
  );
  assert.equal(count("fallback_in_use", "paid"), 4);
  const served = (name: string): number =>
    fleet.instances.find((one: Instance) => one.name === name).requests;
  assert.equal(served("paid"), 4);
  assert.equal(
    ["killed", "hangs", "dies", "paid"].reduce((sum, name) => sum + served(name), 0),
    chats,
  );

  const health = await (await fetch(`${gateway.url}/health`)).json();
  assert.deepEqual(
    health.instances.map(({ name, state }: Instance) => [name, state]),
    fleet.instances.map(({ name, state }: Instance) => [name, state]),
  );
  assert.equal(health.status, fleet.status);

  await using status = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "status", "--json", "--url", gateway.url],
  });
  assert.equal((await status.status).code, 0, status.stderr());
  const shown = JSON.parse(status.stdout());
  const figures = ({ name, state, requests, errors, in_flight }: Instance) =>
    [name, state, requests, errors, in_flight].join(" ");
  assert.deepEqual(shown.instances.map(figures), fleet.instances.map(figures));

  let log = "";
  for await (const { name } of Deno.readDir(join(gateway.dataDir, "errors"))) {
    log += await Deno.readTextFile(join(gateway.dataDir, "errors", name));
  }
  for (const name of ["killed", "hangs", "dies", "paid"]) assert.match(log, new RegExp(name));
});

// What a running gateway makes of what it finds: instances come and go without a word in the file, in every
// worker, and are the same ones from one answer to the next.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { FleetSnapshot } from "../../lib/dashboard/source.ts";
import { type GatewayProcess, startGateway, startSimulators } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

const chat = (model = "m") => ({ model, messages: [{ role: "user", content: "hello" }] });

async function fleetOf(gateway: GatewayProcess): Promise<FleetSnapshot> {
  return await (await fetch(`${gateway.url}/dashboard/api/fleet`)).json();
}

/** Writes the file that is watched, by rename. */
async function list(gateway: { folder: string }, groups: unknown): Promise<void> {
  const path = join(gateway.folder, "targets.json");
  await Deno.writeTextFile(`${path}.new`, JSON.stringify(groups));
  await Deno.rename(`${path}.new`, path);
}

async function until(gateway: GatewayProcess, what: string, is: (fleet: FleetSnapshot) => boolean) {
  let last: FleetSnapshot | null = null;
  await waitFor(
    async () => is(last = await fleetOf(gateway)),
    () => `${what}: ${JSON.stringify(last?.instances)}`,
  );
  return last!;
}

const config = {
  discovery: [{ type: "file", path: "targets.json", model_name: "m", api_key: "k" }],
};

Deno.test("instances that a file lists serve, keep their numbers while others come and go, and are gone with it", async () => {
  await using simulators = await startSimulators({ count: 2, args: ["--model", "m"] });
  const [first, second] = simulators.ports.map((port) => `127.0.0.1:${port}`);
  await using gateway = await startGateway({ config, args: ["--workers", "2"] });
  await gateway.process.waitForOutput(
    /discovery "file targets\.json": "?the file does not exist/,
  );
  const none = await gateway.post("/v1/chat/completions", chat());
  assert.equal(none.status, 503, await none.text());
  await list(gateway, [{ targets: [first] }]);
  await until(gateway, "the first", ({ instances }) => instances.length === 1);
  const answer = await gateway.post("/v1/chat/completions", chat());
  assert.equal(answer.status, 200, await answer.text());
  assert.equal(answer.headers.get("x-gateway-instance"), first);
  const [{ headers }] = (await simulators.requests(0)).filter(({ path }) => path.includes("chat"));
  assert.equal(headers.authorization, "Bearer k");
  await list(gateway, [{ targets: [second, first], labels: { rack: "1" } }]);
  const both = await until(gateway, "both", ({ instances }) => instances.length === 2);
  assert.equal(both.instances.find(({ name }) => name === first)?.requests, 1);
  await list(gateway, [{ targets: [second] }]);
  await until(gateway, "the second", ({ instances }) => instances.length === 1);
  const other = await gateway.post("/v1/chat/completions", chat());
  assert.equal(other.headers.get("x-gateway-instance"), second, await other.text());
});

Deno.test("what is found stays over a reload, with the options that the file has now", async () => {
  await using simulators = await startSimulators({ args: ["--model", "m"] });
  const place = `127.0.0.1:${simulators.ports[0]}`;
  await using gateway = await startGateway({ config });
  await list(gateway, [{ targets: [place] }]);
  await until(gateway, "the instance", ({ instances }) => instances.length === 1);
  await gateway.writeConfig({ discovery: [{ ...config.discovery[0], weight: 3 }] });
  const { instances, discovery } = await until(
    gateway,
    "the weight",
    (fleet) => fleet.instances[0]?.weight === 3,
  );
  assert.equal(instances.length, 1);
  assert.deepEqual([discovery[0].name, discovery[0].instances, discovery[0].error], [
    "file targets.json",
    1,
    null,
  ]);
  await gateway.writeConfig({ instances: [{ url: "http://127.0.0.1:2000", model_name: "other" }] });
  const rest = await until(
    gateway,
    "the other",
    (fleet) => fleet.instances[0]?.models[0] === "other",
  );
  assert.equal(rest.instances.length, 1);
  assert.deepEqual(rest.discovery, []);
});

Deno.test("an instance that the file names itself is as the file says, not as it is found", async () => {
  await using simulators = await startSimulators({ count: 2, args: ["--model", "m"] });
  const [first, second] = simulators.ports.map((port) => `127.0.0.1:${port}`);
  const own = { url: `http://${first}/v1`, model_name: "m", name: "mine", weight: 2 };
  await using gateway = await startGateway({ config: { ...config, instances: [own] } });
  await list(gateway, [{ targets: [first] }, { targets: [second], labels: { name: "mine" } }]);
  const { instances } = await until(gateway, "both", (fleet) => fleet.instances.length === 2);
  assert.deepEqual(
    instances.map(({ name, url, weight }) => [name, new URL(url).host, weight]),
    [["mine", first, 2], ["mine#2", second, 1]],
  );
});

Deno.test("status and metrics tell what a discovery has found, and why it has no answer", async () => {
  await using gateway = await startGateway({ config });
  await list(gateway, [{ targets: ["127.0.0.1:2000"] }]);
  await until(gateway, "the instance", ({ instances }) => instances.length === 1);
  await Deno.writeTextFile(join(gateway.folder, "targets.json"), "[{");
  const { discovery: [state] } = await until(
    gateway,
    "the error",
    ({ discovery }) => discovery[0].error !== null,
  );
  assert.match(state.error!, /no JSON/);
  assert.ok(state.since !== null && state.error_since !== null && state.since <= state.error_since);
  let metrics = "";
  await waitFor(async () => {
    metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    return /^gateway_discovery_instances\{discovery="file targets\.json"\} 1$/m.test(metrics);
  }, () => metrics);
  assert.match(metrics, /^gateway_discovery_up\{discovery="file targets\.json"\} 0$/m);
});

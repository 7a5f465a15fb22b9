// Gateways that are each other's instances: a request is not sent round and round among them.

import assert from "node:assert/strict";
import { quietGatewayFor } from "../support/gateway_for.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { startUpstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const ASK = { model: "demo", messages: [{ role: "user", content: "hello" }] };

/** From now on its instances are these. */
async function lead(
  gateway: GatewayProcess,
  instances: { name: string; url: string }[],
): Promise<void> {
  const entries = instances.map((entry) => ({ model_name: "demo", ...entry }));
  await gateway.writeConfig({ instances: entries, health_check: false, retry: { max_wait: 0 } });
  await waitFor(async () => {
    const health = await (await fetch(`${gateway.url}/health`)).json();
    return health.instances.some(({ name }: { name: string }) => name === entries[0].name);
  }, "the other instance");
}

/** Requests that the gateway has logged. */
const asked = (gateway: GatewayProcess) =>
  gateway.output().split("\n").filter((line) => line.includes("POST /v1/")).length;

for (const stream of [false, true]) {
  Deno.test(`a gateway that is its own instance says so, ${stream ? "streamed" : "whole"}`, async () => {
    await using instance = startUpstream();
    await using gateway = await quietGatewayFor(instance.url);
    await lead(gateway, [{ url: gateway.url, name: "itself" }]);
    const response = await gateway.post("/v1/chat/completions", { ...ASK, stream });
    assert.equal(response.status, 508, await response.clone().text());
    assert.match((await response.json()).error.message, /one of them is its own instance/);
    assert.ok(asked(gateway) < 10, `asked ${asked(gateway)} times`);
  });
}

Deno.test("two gateways that stand in for each other both use what either has", async () => {
  await using instance = startUpstream();
  await using one = await quietGatewayFor(instance.url);
  await using other = await quietGatewayFor({ url: one.url, name: "one" });
  const first = await other.post("/v1/chat/completions", ASK);
  assert.equal(first.status, 200, await first.text());
  const { headers } = instance.seen[0];
  assert.equal(headers.get("via"), "1.1 simple-ai-gateway, 1.1 simple-ai-gateway");
  await lead(one, [{ url: other.url, name: "other" }, { url: instance.url, name: "real" }]);
  for (let i = 0; i < 4; i++) {
    const response = await one.post("/v1/chat/completions", ASK);
    assert.equal(response.status, 200, await response.text());
  }
});

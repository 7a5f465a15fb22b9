// Stored responses with several gateways: whoever made one finds it by way of any of them, nobody else does.
// Numbers are those of the edge cases in docs/decisions/peers.md.

import assert from "node:assert/strict";
import { bearer, makeKey } from "../e2e/access/keyed.ts";
import { startOddVllm } from "../pool/odd_vllm.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { hearsMore, startTogether } from "./gateways.ts";

function respond(gateway: GatewayProcess, key: string, previous?: string) {
  const body = { model: "demo", input: "hi", store: true, previous_response_id: previous };
  return gateway.post("/v1/responses", body, bearer(key));
}

Deno.test("case 32: a response that another gateway has stored is found for who made it, and only there", async () => {
  await using a = startOddVllm("a");
  await using b = startOddVllm("b");
  const [alice, bob] = [makeKey("alice"), makeKey("bob")];
  const config = {
    instances: [
      { url: a.url, model_name: "demo", name: "a" },
      { url: b.url, model_name: "demo", name: "b" },
    ],
    keys: [alice.line, bob.line],
    ...{ health_check: false, model_discovery: false, scrape: false },
  };
  await using together = await startTogether([config, config]);
  const [first, second] = together.gateways;
  for (let turn = 0; turn < 3; turn++) {
    const made = await respond(first, alice.key);
    const { id } = await made.json();
    await hearsMore(second);
    const next = await respond(second, alice.key, id);
    assert.equal(next.status, 200, await next.text());
    assert.equal(next.headers.get("x-gateway-instance"), made.headers.get("x-gateway-instance"));
    const others = await respond(second, bob.key, id);
    assert.equal(others.status, 404, await others.text());
  }
  const kept = await respond(first, alice.key);
  const { id } = await kept.json();
  await hearsMore(second);
  const keeper = kept.headers.get("x-gateway-instance");
  const instances = config.instances.filter(({ name }) => name !== keeper);
  const peers = { urls: [first.url], token: "a-token-of-gateways" };
  await second.writeConfig({ ...config, instances, peers });
  await second.process.waitForOutput(/configuration reloaded[^]*1 instance/);
  const gone = await respond(second, alice.key, id);
  assert.equal(gone.status, 404);
  assert.match((await gone.json()).error.message, /the instance that keeps it is gone/);
});

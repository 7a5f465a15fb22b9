// Notes by way of a real redis-server, which is frozen and into whose channel anybody writes.

import assert from "node:assert/strict";
import { type GatewayProcess, startGateway, startSimulators } from "../support/processes.ts";
import { RedisServer, testWithRedis as test } from "../support/redis_server.ts";
import { waitFor, within } from "../support/wait.ts";
import { hears, hearsMore, metric, TOKEN } from "./gateways.ts";

const names = ["ant", "bear", "cat", "dog", "eel", "fox", "goat", "hare"];

function by(urls: readonly string[], redis: RedisServer, peers: Record<string, unknown> = {}) {
  return {
    load_balancing_strategy: "prefix_aware",
    ...{ health_check: false, scrape: false, model_discovery: false },
    instances: urls.map((url) => ({ url, model_name: "m" })),
    shared_state: { url: redis.url },
    peers,
  };
}

async function instanceOf(gateway: GatewayProcess, name: string): Promise<string> {
  const messages = [{ role: "user", content: `${name} `.repeat(4096 / (name.length + 1)) }];
  const answer = await gateway.post("/v1/chat/completions", { model: "m", messages });
  assert.equal(answer.status, 200, await answer.text());
  return answer.headers.get("x-gateway-instance")!;
}

test("gateways with a shared_state hear each other by way of it, without another word in the file", async () => {
  await using redis = await RedisServer.start();
  await using simulators = await startSimulators({ count: 2, args: ["--model", "m"] });
  const [, last] = simulators.urls;
  await using first = await startGateway({ config: by([last], redis) });
  await using second = await startGateway({ config: by(simulators.urls, redis) });
  await hears(first, 1);
  await hears(second, 1);
  for (const name of names) await instanceOf(first, name);
  await hearsMore(second);
  for (const name of names) assert.equal(await instanceOf(second, name), new URL(last).host);
});

test("a server that stands still holds nobody up, and is heard again when it goes on", async () => {
  await using redis = await RedisServer.start();
  await using simulators = await startSimulators({ args: ["--model", "m"] });
  const config = by(simulators.urls, redis, { stale_after: 0.5 });
  await using first = await startGateway({ config });
  await using second = await startGateway({ config });
  await hears(first, 1);
  await hears(second, 1);
  redis.freeze();
  await hears(first, 0);
  await waitFor(async () => await metric(first, "gateway_peers_late") === 1, "it to be missed");
  // Whoever waited for the server would do so for ever.
  for (const name of names) await within(instanceOf(first, name), `an answer to ${name}`);
  redis.thaw();
  await hears(first, 1);
  await hears(second, 1);
});

test("with a token only what is signed with it is read", async () => {
  await using redis = await RedisServer.start();
  await using simulators = await startSimulators({ args: ["--model", "m"] });
  const config = by(simulators.urls, redis, { token: TOKEN });
  await using first = await startGateway({ config });
  await using second = await startGateway({ config });
  await hears(first, 1);
  await hears(second, 1);
  await redis.ask("publish", "{sag}:peers", "{}");
  await redis.ask("publish", "{sag}:peers", `${"0".repeat(64)}{}`);
  await redis.ask("publish", "{sag}:peers", "x".repeat(3 * 1024 * 1024));
  await hearsMore(first);
  assert.equal(await metric(first, 'gateway_peer_refused_total{reason="token"}'), 3);
  await hears(first, 1);
});

test("a server that grants no DEL carries notes all the same, and no failure is counted", async () => {
  await using redis = await RedisServer.start();
  await using simulators = await startSimulators({ args: ["--model", "m"] });
  const config = by(simulators.urls, redis);
  await redis.ask("acl", "setuser", "default", "-del");
  await using first = await startGateway({ config });
  await using second = await startGateway({ config });
  await hears(first, 1);
  await hears(second, 1);
  const before = await metric(first, "gateway_peer_failures_total");
  await hearsMore(second);
  assert.equal(await metric(first, "gateway_peer_failures_total"), before);
});

// Two gateways with one limit, by a real redis-server between them: clients, heads, metrics and alerts.

import assert from "node:assert/strict";
import { RedisServer, testWithRedis as test } from "../../support/redis_server.ts";
import { startGateway } from "../../support/processes.ts";
import { completion, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import {
  ASK,
  ask,
  bearer,
  errorOf,
  heldUpstream,
  keyedGateway,
  makeKey,
  statusOf,
} from "./keyed.ts";

const KEY = makeKey("web");

const metric = async (url: string, name: string) => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? NaN);
};

test("access 22: two gateways hold one limit of requests, also when one of them is new", async () => {
  await using redis = await RedisServer.start();
  await using upstream = startUpstream(() => completion("hi"));
  const shared = { shared_state: { url: redis.url, timeout: 1 } };
  const limits = { limits: { requests_per_minute: 5 } };
  await using one = await keyedGateway(upstream, [KEY], { ...shared, ...limits });
  await using other = await keyedGateway(upstream, [KEY], { ...shared, ...limits });
  for (const { url } of [one, other]) {
    await waitFor(async () => await metric(url, "gateway_shared_state_up") === 1, () => url);
  }
  const statuses = [];
  for (let i = 0; i < 8; i++) {
    const response = await [one, other][i % 2].post("/v1/chat/completions", ASK, bearer(KEY.key));
    statuses.push(response.status);
    assert.equal(response.headers.get("x-gateway-limits"), null);
    if (response.status === 429) {
      const { reason, message } = await errorOf(response);
      assert.equal(reason, "requests_per_minute");
      assert.match(String(message), /Key `web`/);
      assert.ok(Number(response.headers.get("retry-after")) >= 1);
    } else {
      assert.equal(response.headers.get("x-ratelimit-remaining-requests"), String(4 - i));
      await response.body?.cancel();
    }
  }
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
});

test("access 24: without the server each gateway allows its share, says so, and nobody gets a 429 for it", async () => {
  await using redis = await RedisServer.start();
  await using upstream = startUpstream(() => completion("hi"));
  const config = (when_down: string) => ({
    shared_state: { url: redis.url, when_down },
    limits: { requests_per_minute: 100 },
  });
  await using local = await keyedGateway(upstream, [KEY], config("local"));
  await using closed = await keyedGateway(upstream, [KEY], config("closed"));
  for (const { url } of [local, closed]) {
    await waitFor(async () => await metric(url, "gateway_shared_state_up") === 1, () => url);
  }
  await redis.stop();
  const ask = async (gateway: typeof local) => {
    const response = await gateway.post("/v1/chat/completions", ASK, bearer(KEY.key));
    return { response, text: await response.text() };
  };
  for (let i = 0; i < 5; i++) {
    const { response } = await ask(local);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("x-gateway-limits"), "local");
    assert.ok(response.headers.has("x-ratelimit-remaining-requests"));
  }
  const { response, text } = await ask(closed);
  assert.equal(response.status, 503);
  assert.equal(JSON.parse(text).error.reason, "shared_state");
  for (const gateway of [local, closed]) {
    await waitFor(
      async () =>
        await metric(gateway.url, "gateway_shared_state_up") === 0 &&
        await metric(gateway.url, "gateway_shared_state_errors_total") >= 1,
      () => gateway.output(),
    );
    await waitFor(() => /shared_state/.test(gateway.output()), () => gateway.output());
  }
  await redis.startAgain();
  for (const gateway of [local, closed]) {
    await waitFor(async () => {
      const { response } = await ask(gateway);
      return response.status === 200 && !response.headers.has("x-gateway-limits");
    }, () => gateway.output());
  }
  await waitFor(
    async () => await metric(local.url, "gateway_shared_state_up") === 1,
    () => local.output(),
  );
});

test("access 21: a reload of shared_state leaves nothing held of what ran before it", async () => {
  await using redis = await RedisServer.start();
  const { upstream, held } = heldUpstream();
  await using _ = upstream;
  const web = makeKey("web", { concurrency: 1, tokens_per_minute: 1000 });
  const by = (timeout: number) => ({
    instances: [{ url: upstream.url, model_name: "m" }],
    health_check: false,
    keys: [web.line],
    shared_state: { url: redis.url, timeout },
  });
  await using gateway = await startGateway({ config: by(1) });
  await waitFor(
    async () => await metric(gateway.url, "gateway_shared_state_up") === 1,
    () => gateway.output(),
  );
  const first = ask(gateway, web, { max_tokens: 400 });
  await waitFor(() => held.length === 1, "the first");
  await gateway.writeConfig(by(2));
  await waitFor(() => gateway.output().includes("configuration reloaded"), "the reload");
  held[0]();
  assert.equal(await statusOf(first), 200);
  const limits = async () => {
    const page = await (await fetch(`${gateway.url}/v1/key`, bearer(web.key))).json();
    return page.limits.map(({ remaining }: { remaining: number }) => remaining);
  };
  // Not by the clock: a place that nobody gives back is free after thirty seconds.
  await waitFor(
    async () => {
      const [tokens, places] = await limits();
      return tokens > 900 && places === 1;
    },
    "places and tokens to be given back",
    10_000,
  );
  const next = ask(gateway, web);
  await waitFor(() => held.length === 2, "the next");
  held[1]();
  assert.equal(await statusOf(next), 200);
});

test("access: a reload of shared_state books nothing that other gateways have used once more", async () => {
  await using redis = await RedisServer.start();
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web", { budget: { period: "month", tokens: 1000 } });
  const by = (timeout: number) => ({
    instances: [{ url: upstream.url, model_name: "m" }],
    health_check: false,
    keys: [web.line],
    shared_state: { url: redis.url, timeout },
  });
  await using one = await startGateway({ config: by(1) });
  await using other = await startGateway({ config: by(1) });
  const used = async ({ url }: typeof one) => {
    const page = await (await fetch(`${url}/v1/key`, bearer(web.key))).json();
    return 1000 - page.budgets[0].tokens_left;
  };
  let asked = 0;
  const askAll = async () => {
    for (const gateway of [one, other]) {
      assert.equal(await statusOf(ask(gateway, web)), 200);
      asked++;
    }
  };
  await askAll();
  const each = await used(one);
  assert.ok(each > 0 && each < 20, String(each));
  /** Both know of all that was used, and of no more. */
  const agree = async () => {
    const sums: number[] = [];
    await waitFor(
      async () => {
        sums.splice(0, 2, await used(one), await used(other));
        return sums.every((sum) => sum === asked * each);
      },
      () => `${sums} to be ${asked} times ${each}`,
      10_000,
    );
  };
  await agree();
  for (const timeout of [2, 3]) {
    await one.writeConfig(by(timeout));
    const reloads = () => one.output().match(/configuration reloaded/g)?.length ?? 0;
    await waitFor(() => reloads() === timeout - 1, () => one.output());
    await askAll();
    await agree();
  }
});

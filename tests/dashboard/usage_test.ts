// What the dashboard tells of usage: sums by what is asked for, as JSON and as CSV, and to whom.

import assert from "node:assert/strict";
import type { UsageView } from "../../lib/dashboard/usage_view.ts";
import { adminAccess } from "../../lib/server/admin.ts";
import { bearer, keyedGateway, makeKey, type TestKey } from "../e2e/access/keyed.ts";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { completion, startUpstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const TOKEN = "correct-horse-battery";
const web = makeKey("web", { group: "search" });
const batch = makeKey("+cmd", {});

async function ask(gateway: GatewayProcess, { key }: TestKey): Promise<void> {
  const messages = [{ role: "user", content: "hello" }];
  const response = await gateway.post(
    "/v1/chat/completions",
    { model: "m", messages },
    bearer(key),
  );
  assert.equal(response.status, 200, await response.text());
}

async function usage(gateway: GatewayProcess, query: string): Promise<UsageView> {
  const response = await fetch(`${gateway.url}/dashboard/api/usage?${query}`, bearer(TOKEN));
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

Deno.test("usage is summed up by key, model and day, and is a CSV that no spreadsheet runs", async () => {
  await using upstream = startUpstream(() =>
    completion("hello", { usage: { prompt_tokens: 12, completion_tokens: 3 } })
  );
  await using gateway = await keyedGateway(upstream, [web, batch], {
    admin: { token: TOKEN },
    groups: [{ name: "search" }],
    limits: { prices: { m: { prompt: 10_000, cached: 0, completion: 100_000 } } },
  });
  for (const key of [web, web, batch]) await ask(gateway, key);
  await waitFor(async () => (await usage(gateway, "by=key")).total.requests === 3, "the file");
  const byKey = await usage(gateway, "by=key");
  assert.deepEqual(byKey.rows.map(({ values, tokens, cost }) => [values, tokens, cost]), [
    [["web"], 30, 0.84],
    [["+cmd"], 15, 0.42],
  ]);
  assert.deepEqual([byKey.keyed, byKey.left_out, byKey.total.completion], [true, 0, 9]);
  const byDay = await usage(gateway, `by=day,model&from=${byKey.today}`);
  assert.deepEqual(byDay.by, ["model", "day"]);
  assert.deepEqual(byDay.rows[0].values, ["m", byKey.today]);
  assert.equal((await usage(gateway, "by=key&key=web")).total.requests, 2);
  assert.equal((await usage(gateway, "by=key&to=2000-01-01")).total.requests, 0);
  const csv = await fetch(
    `${gateway.url}/dashboard/api/usage?by=key,group&format=csv`,
    bearer(TOKEN),
  );
  assert.match(csv.headers.get("content-disposition")!, /attachment; filename="usage-key-group/);
  const lines = (await csv.text()).trimEnd().split("\r\n");
  assert.match(lines[0], /^key,group,requests,prompt,cached,completion,tokens,estimated,cost$/);
  assert.match(lines[1], /^web,search,2,24,0,6,30,0,0\.84$/);
  assert.match(lines[2], /^'\+cmd,,1,/);
});

Deno.test("what cannot be asked for is said, and usage is for those alone who may see clients", async () => {
  await using upstream = startUpstream(() => completion("hello"));
  await using gateway = await keyedGateway(upstream, [web], {
    admin: { token: TOKEN },
    groups: [{ name: "search" }],
  });
  for (const query of ["by=", "by=key,shoe", "from=yesterday", "to=2026-1-1", "by=constructor"]) {
    const response = await fetch(`${gateway.url}/dashboard/api/usage?${query}`, bearer(TOKEN));
    assert.equal(response.status, 400, query);
    assert.match((await response.json()).error.message, /expected/);
  }
  const refused = await fetch(`${gateway.url}/dashboard/api/usage`);
  assert.equal(refused.status, 401);
  await refused.body?.cancel();
  const access = adminAccess({
    method: "GET",
    target: "/dashboard/api/usage?by=key",
    headers: [["host", "localhost"]],
    remoteAddress: "127.0.0.1",
  }, { enabled: true, token: null, local: false, publicMetrics: false });
  assert.equal(access.kind, "refused", "without a token this host's users see no clients");
});

Deno.test("without keys usage is told by client, of embeddings too", async () => {
  await using upstream = startUpstream(({ path }) =>
    path === "/v1/embeddings"
      ? Response.json({ data: [], usage: { prompt_tokens: 5, total_tokens: 5 } })
      : completion("hello", { usage: { prompt_tokens: 12, completion_tokens: 3 } })
  );
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      admin: { token: TOKEN },
      access: { trusted_proxies: ["127.0.0.1"] },
    },
  });
  const from = (client: string, path: string, body: unknown) =>
    gateway.post(path, body, { headers: { "x-forwarded-for": client } });
  const messages = [{ role: "user", content: "hello" }];
  for (const client of ["10.0.0.7", "10.0.0.7", "10.0.0.8"]) {
    await (await from(client, "/v1/chat/completions", { model: "m", messages })).text();
  }
  await (await from("10.0.0.8", "/v1/embeddings", { model: "m", input: "hello" })).text();
  await (await from("10.0.0.8", "/v1/embeddings", { model: "other", input: "hello" })).text();
  await waitFor(async () => (await usage(gateway, "by=client")).total.requests === 5, "the file");
  const byClient = await usage(gateway, "by=client");
  assert.equal(byClient.keyed, false);
  assert.deepEqual(
    byClient.rows.map(({ values, requests, prompt, completion, estimated }) => [
      ...values,
      ...[requests, prompt, completion, estimated],
    ]),
    [["10.0.0.7", 2, 24, 6, 0], ["10.0.0.8", 3, 17, 3, 0]],
  );
  const ofOne = await usage(gateway, "by=day&client=10.0.0.8");
  assert.deepEqual(ofOne.rows.map(({ values, tokens }) => [...values, tokens]), [
    [ofOne.today, 20],
  ]);
  const csv = await fetch(
    `${gateway.url}/dashboard/api/usage?by=client,model&format=csv`,
    bearer(TOKEN),
  );
  const lines = (await csv.text()).trimEnd().split("\r\n");
  assert.match(lines[0], /^client,model,requests,/);
  assert.match(lines[1], /^10\.0\.0\.7,m,2,24,0,6,30,0,0$/);
});

Deno.test("usage of clients and of keys stand beside each other where keys come by a reload", async () => {
  await using upstream = startUpstream(() =>
    completion("hello", { usage: { prompt_tokens: 12, completion_tokens: 3 } })
  );
  const config = { instances: [{ url: upstream.url, model_name: "m" }], admin: { token: TOKEN } };
  const key = makeKey("web");
  await using gateway = await startGateway({ config });
  const messages = [{ role: "user", content: "hello" }];
  const without = await gateway.post("/v1/chat/completions", { model: "m", messages });
  assert.equal(without.status, 200, await without.text());
  await waitFor(async () => (await usage(gateway, "by=client")).total.requests === 1, "the client");
  await gateway.writeConfig({ ...config, keys: [key.line] });
  await waitFor(async () => (await usage(gateway, "by=key")).keyed, "the reload");
  const told = async () =>
    (await usage(gateway, "by=key,client")).rows.map(({ values, tokens }) => ({ values, tokens }));
  // Until the last worker knows the key, it serves anybody.
  const isBooked = async () => {
    const body = { model: "m", messages };
    const response = await gateway.post("/v1/chat/completions", body, bearer(key.key));
    await response.body?.cancel();
    return (await told()).some(({ values: [name, client] }) => name === "web" && client === "");
  };
  await waitFor(isBooked, "usage of the key");
  const before = (await told()).find(({ values: [name] }) => name === "");
  assert.equal(before?.values[1], "127.0.0.1");
  assert.ok(before.tokens >= 15, JSON.stringify(before));
});

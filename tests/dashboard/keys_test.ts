// What the dashboard's page of keys is told: who has used how much, what is left, and to whom it is shown.

import assert from "node:assert/strict";
import type { KeysView } from "../../lib/dashboard/keys_view.ts";
import { bearer, keyedGateway, makeKey, type TestKey } from "../e2e/access/keyed.ts";
import type { GatewayProcess } from "../support/processes.ts";
import { chunk, completion, sse, startUpstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const TOKEN = "correct-horse-battery";
const admin = { token: TOKEN };

const web = makeKey("web", {
  group: "search",
  // One comes back in a quarter of a minute.
  requests_per_minute: 4,
  tokens_per_minute: 1000,
  concurrency: 3,
  budget: [{ period: "day", tokens: 60 }, { period: "month", cost: 1 }],
  note: "the shop",
});
const batch = makeKey("batch", {});
const old = makeKey("old", { disabled: true });
const groups = [{ name: "search", requests_per_minute: 4 }];
/** The usage of each answer is 12 and 3 tokens, for 0.12 and 0.3. */
const limits = { prices: { m: { prompt: 10_000, cached: 0, completion: 100_000 } } };

const answer = () => completion("hello", { usage: { prompt_tokens: 12, completion_tokens: 3 } });

async function look(gateway: GatewayProcess, query = ""): Promise<KeysView> {
  const response = await fetch(`${gateway.url}/dashboard/api/keys?q=${query}`, bearer(TOKEN));
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

async function ask(gateway: GatewayProcess, { key }: TestKey): Promise<void> {
  const response = await gateway.post("/v1/chat/completions", {
    model: "m",
    messages: [{ role: "user", content: "hello" }],
  }, bearer(key));
  assert.equal(response.status, 200, await response.text());
}

for (const workers of [1, 2]) {
  Deno.test(`the page of keys has each key's limits, budgets and usage, with ${workers} workers`, async () => {
    await using upstream = startUpstream(answer);
    await using gateway = await keyedGateway(upstream, [web, batch, old], {
      workers,
      admin,
      groups,
      limits,
    });
    for (const key of [web, web, web, batch]) await ask(gateway, key);
    const view = await look(gateway);
    assert.equal(view.keyed, true);
    assert.equal(view.priced, true);
    assert.deepEqual(view.keys.map(({ name, state }) => [name, state]), [
      ["web", "active"],
      ["batch", "active"],
      ["old", "disabled"],
    ]);
    const [first, second] = view.keys;
    assert.equal(first.group, "search");
    assert.equal(first.note, "the shop");
    assert.deepEqual(first.day, { requests: 3, tokens: 45, cost: 1.26 });
    assert.deepEqual(first.month, first.day);
    assert.deepEqual(second.day, { requests: 1, tokens: 15, cost: 0.42 });
    const left = Object.fromEntries(first.limits.map((one) => [one.limit, one]));
    assert.equal(left.requests_per_minute.allowed, 4);
    assert.equal(left.requests_per_minute.remaining, 1);
    assert.ok(left.tokens_per_minute.remaining >= 955, "what was reserved is given back");
    assert.equal(left.concurrency.remaining, 3);
    assert.deepEqual(
      first.budgets.map(({ period, used_ratio }) => [period, used_ratio]),
      [["day", 0.75], ["month", 1.26]],
    );
    assert.equal(view.groups[0].name, "search");
    assert.equal(view.groups[0].limits[0].remaining, 1);
    assert.equal(view.groups[0].day.requests, 3);
    assert.deepEqual(
      view.top.day.map(({ name, share }) => [name, share]),
      [["web", 0.75], ["batch", 0.25]],
    );
    assert.deepEqual(view.top.month, view.top.day);
    const searched = await look(gateway, "BAT");
    assert.deepEqual([searched.found, searched.keys[0].name], [1, "batch"]);
    assert.equal(searched.top.day.length, 2, "top users are of all");
  });
}

Deno.test("a request under way is seen on the page of keys", async () => {
  let end = () => {};
  const ended = new Promise<void>((resolve) => end = resolve);
  await using upstream = startUpstream(async () => {
    await ended;
    return sse([chunk({ content: "a" }), chunk({}, "stop"), "[DONE]"]);
  });
  await using gateway = await keyedGateway(upstream, [web], { admin, groups, limits });
  const asked = gateway.post("/v1/chat/completions", {
    model: "m",
    stream: true,
    messages: [{ role: "user", content: "hello" }],
  }, bearer(web.key));
  await waitFor(async () => (await look(gateway)).keys[0].in_flight === 1, "the request");
  end();
  await (await asked).text();
  await waitFor(async () => (await look(gateway)).keys[0].in_flight === 0, "its end");
});

Deno.test("the page of keys holds neither keys nor hashes, and only the token opens it", async () => {
  await using upstream = startUpstream(answer);
  await using gateway = await keyedGateway(upstream, [web, batch], { admin, groups, limits });
  await ask(gateway, web);
  const text = JSON.stringify(await look(gateway));
  for (const { key, line } of [web, batch]) {
    assert.ok(!text.includes(key));
    assert.ok(!text.includes(String(line.hash).slice("sha256:".length)));
  }
  for (const init of [{}, bearer(web.key)]) {
    const response = await fetch(`${gateway.url}/dashboard/api/keys`, init);
    assert.equal(response.status, 401, await response.text());
  }
  const posted = await gateway.post("/dashboard/api/keys", {}, bearer(TOKEN));
  assert.equal(posted.status, 405, await posted.text());
});

Deno.test("without keys the page says that nobody needs one", async () => {
  await using upstream = startUpstream(answer);
  await using gateway = await keyedGateway(upstream, [], { admin });
  const { keyed, keys, top } = await look(gateway);
  assert.deepEqual({ keyed, keys, top }, { keyed: false, keys: [], top: { day: [], month: [] } });
});

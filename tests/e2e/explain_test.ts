// Where a request would go is told without sending it. Numbers are those of the edge cases in
// docs/decisions/routing.md.

import assert from "node:assert/strict";
import { join } from "node:path";
import { bearer, makeKey } from "./access/keyed.ts";
import {
  type GatewayConfig,
  type GatewayProcess,
  ROOT,
  startGateway,
  startProcess,
} from "../support/processes.ts";
import { completion, startUpstream } from "../support/upstream.ts";
import { waitFor } from "../support/wait.ts";

const KEY = "sk-instance-secret-key";
const upstream = () =>
  startUpstream(() =>
    completion("yes", {
      usage: { prompt_tokens: 900, completion_tokens: 1, total_tokens: 901 },
    })
  );

function chat(name: string, more: object = {}): string {
  const messages = [{ role: "user", content: `${name} `.repeat(900) }];
  return JSON.stringify({ model: "m", messages, ...more });
}

async function explained(
  gateway: GatewayProcess,
  body: string,
  query = "",
  init: RequestInit = {},
) {
  const answer = await gateway.post(`/admin/explain${query}`, body, init);
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return JSON.parse(text);
}

/** The instance that a request really goes to. */
async function asked(gateway: GatewayProcess, body: string): Promise<string> {
  const answer = await gateway.post("/v1/chat/completions", body);
  assert.equal(answer.status, 200, await answer.text());
  await settled(gateway);
  return answer.headers.get("x-gateway-instance")!;
}

/** Nothing is under way any more: what a request holds at its instance ends behind its answer. */
function settled(gateway: GatewayProcess): Promise<void> {
  return waitFor(
    async () => (await gateway.health()).inFlight.every((count) => count === 0),
    "all requests to be over",
  );
}

async function ran(...args: string[]) {
  const command = ["run", "-A", join(ROOT, "main.ts"), "explain", ...args];
  await using child = startProcess(Deno.execPath(), { args: command });
  const { code } = await child.status;
  return { code, out: child.stdout(), err: child.stderr() };
}

async function threeBehind(more: GatewayConfig) {
  const instances = [upstream(), upstream(), upstream()];
  const gateway = await startGateway({
    config: {
      instances: instances.map(({ url }, n) => ({
        url,
        model_name: "m",
        name: `gpu-${n}`,
        api_key: KEY,
      })),
      health_check: false,
      model_discovery: false,
      scrape: false,
      ...more,
    },
  });
  return {
    gateway,
    instances,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      for (const one of instances) await one[Symbol.asyncDispose]();
    },
  };
}

for (const strategy of ["prefix_aware", "bounded_hash", "least_connections", "round_robin"]) {
  Deno.test(`42: what ${strategy} would do is what it does next, however often it is asked`, async () => {
    await using stand = await threeBehind({ load_balancing_strategy: strategy });
    const { gateway, instances } = stand;
    const requests = () => instances.reduce((sum, one) => sum + one.seen.length, 0);
    for (let n = 0; n < 8; n++) {
      const body = chat(`prompt${n % 5}`);
      const before = requests();
      const first = await explained(gateway, body);
      for (let again = 0; again < 3; again++) {
        assert.deepEqual(await explained(gateway, body), first);
      }
      assert.equal(requests(), before, "nothing is sent");
      assert.equal(first.strategy, strategy);
      assert.equal(await asked(gateway, body), first.instance, `request ${n}`);
    }
  });
}

Deno.test("42: the explanation names every instance, what is weighed and what is in the way", async () => {
  await using stand = await threeBehind({ load_balancing_strategy: "prefix_aware" });
  const { gateway } = stand;
  const body = chat("known", { max_tokens: 50 });
  const instance = await asked(gateway, body);
  const told = await explained(gateway, body);
  assert.equal(told.instance, instance);
  assert.equal(told.by, "prefix");
  assert.equal(told.prompt.answer_tokens, 50);
  assert.equal(told.prompt.chunks, Math.floor(told.prompt.bytes / 512));
  const [first, ...others] = told.instances;
  assert.equal(first.instance, instance);
  assert.ok(first.weighed.cached_tokens > 0.8 * told.prompt.tokens);
  assert.deepEqual(others.map((one: { left: null }) => one.left), [null, null]);
  for (const { weighed } of others) {
    assert.equal(weighed.cached_tokens, 0);
    assert.ok(weighed.cost_s > first.weighed.cost_s);
  }
  assert.doesNotMatch(JSON.stringify(told), new RegExp(`${KEY}|127\\.0\\.0\\.1|known`));
});

Deno.test("42: one that is drained, too short or full is named with that, and a fallback as one", async () => {
  await using a = upstream();
  const base = { url: a.url, model_name: "m" };
  await using gateway = await startGateway({
    config: {
      instances: [
        { ...base, name: "off", weight: 0 },
        { ...base, url: `${a.url}/b`, name: "short", max_context: 100 },
        { ...base, url: `${a.url}/c`, name: "long" },
      ],
      fallback_instances: [{ ...base, url: `${a.url}/d`, name: "rented" }],
      load_balancing_strategy: "prefix_aware",
      health_check: false,
      model_discovery: false,
      scrape: false,
    },
  });
  const { instances, by, instance } = await explained(gateway, chat("long prompt"));
  const left = Object.fromEntries(
    instances.map((one: { instance: string; left: string }) => [one.instance, one.left]),
  );
  assert.deepEqual(left, { long: null, off: "draining", short: "context", rented: "fallback" });
  assert.deepEqual([instance, by], ["long", "only"]);
});

Deno.test("42: it needs the token where there is one, and refuses what is no request", async () => {
  await using stand = await threeBehind({
    load_balancing_strategy: "prefix_aware",
    admin: { token: "secret" },
  });
  const { gateway } = stand;
  const token = { headers: { authorization: "Bearer secret" } };
  const status = async (path: string, init: RequestInit, method = "POST") => {
    const body = method === "POST" ? init.body ?? chat("x") : undefined;
    const answer = await fetch(gateway.url + path, { method, ...init, body });
    await answer.body?.cancel();
    return answer.status;
  };
  assert.equal(await status("/admin/explain", {}), 401);
  assert.equal(await status("/admin/decisions", {}, "GET"), 401);
  assert.equal(await status("/admin/explain", token), 200);
  assert.equal(await status("/admin/explain", token, "GET"), 405);
  assert.equal(await status("/admin/decisions?last=0", token, "GET"), 400);
  assert.equal(await status("/admin/explain", { ...token, body: "{" }), 400);
  assert.equal(await status("/admin/explain", { ...token, body: '{"model":"other"}' }), 404);
  assert.equal(await status("/admin/explain?group=none", token), 404);
  assert.equal(await status("/admin/other", token), 404);
  const forwarded = { headers: { ...token.headers, authorization: "Bearer no" } };
  assert.equal(await status("/admin/explain", forwarded), 401);
});

Deno.test("12: a group's salt counts in what is explained for it", async () => {
  const key = makeKey("k", { group: "g" });
  await using stand = await threeBehind({
    load_balancing_strategy: "prefix_aware",
    keys: [key.line],
    groups: [{ name: "g", cache_salt: "salt" }],
  });
  const { gateway } = stand;
  const body = chat("salted");
  const answer = await gateway.post("/v1/chat/completions", body, bearer(key.key));
  assert.equal(answer.status, 200, await answer.text());
  await settled(gateway);
  assert.equal((await explained(gateway, body)).by, "home");
  assert.equal((await explained(gateway, body, "?group=g")).by, "prefix");
});

Deno.test("explain prints a table of the instances, and --trace where the last requests went", async () => {
  await using stand = await threeBehind({ load_balancing_strategy: "prefix_aware" });
  const { gateway } = stand;
  const body = chat("table");
  const instance = await asked(gateway, body);
  await asked(gateway, body);
  const file = join(gateway.folder, "body.json");
  await Deno.writeTextFile(file, body);
  const { code, out, err } = await ran("--request", file, "--url", gateway.url);
  assert.equal(code, 0, err);
  assert.match(out, /^model m, strategy prefix_aware, about [\d,]+ tokens \([\d,]+ bytes, /);
  assert.match(out, new RegExp(`^> ${instance} +yes +[\\d,]+ +[\\d,]+ +0 +0 .* prefix$`, "m"));
  assert.match(out, new RegExp(`Would go to ${instance}: it has a part of the prompt\\.`));
  let rows: string[] = [];
  await waitFor(async () => {
    const traced = await ran("--trace", "5", "--url", gateway.url);
    assert.equal(traced.code, 0, traced.err);
    rows = traced.out.trim().split("\n");
    return rows.length === 3;
  }, () => `two requests: ${rows.join("\n")}`);
  assert.match(rows[1], new RegExp(`  m +${instance} +home +0 +\\d+ .*200 complete`));
  assert.match(rows[2], new RegExp(`  m +${instance} +prefix +\\d+ +\\d+ .*200 complete`));
  const json = await ran("--trace", "--json", "--url", gateway.url);
  assert.equal(JSON.parse(json.out).length, 2, json.err);
  assert.equal((await ran("--url", gateway.url)).code, 2);
  const away = await ran("--request", file, "--url", "http://127.0.0.1:2");
  assert.equal(away.code, 1);
  assert.match(away.err, /no gateway answers/);
});

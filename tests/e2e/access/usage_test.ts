// What callers use is counted, priced, held against budgets, told, and outlives the process. What an odd answer costs:
// costs_test.ts.

import assert from "node:assert/strict";
import { reportUsage } from "../../../lib/caller/usage/report.ts";
import { usage } from "../../../lib/cli/keys/usage.ts";
import { parseMetrics } from "../../support/prometheus.ts";
import { startGateway, startProcess, temporaryFolder } from "../../support/processes.ts";
import { waitFor } from "../../support/wait.ts";
import { ASK, bearer, makeKey } from "./keyed.ts";
import { answering, ask, askTimes, configOf } from "./priced.ts";

/** Requests of all outcomes, by key, as the files have them. */
async function written(dataDir: string): Promise<Record<string, number>> {
  const { rows } = await reportUsage({ dataDir, by: ["key"], where: () => true });
  return Object.fromEntries(rows.map(({ values: [key], amount }) => [key, amount.requests]));
}

Deno.test("access 29: a key that has used its budget waits for the next period, also after kill -9", async () => {
  await using upstream = answering();
  await using folder = await temporaryFolder();
  const key = makeKey("web", { budget: { period: "month", cost: 0.4 } });
  const config = configOf(upstream, [key], folder.path);
  {
    await using gateway = await startGateway({ config });
    await askTimes(gateway, key, 10);
    const answer = await ask(gateway, key);
    assert.equal(answer.status, 429);
    assert.equal(answer.headers.get("x-should-retry"), "false");
    const { error } = await answer.json();
    assert.equal(error.reason, "budget_month");
    await waitFor(async () => (await written(folder.path)).web >= 10, "the file");
    await gateway.kill();
  }
  await using gateway = await startGateway({ config });
  const answer = await ask(gateway, key);
  assert.equal(answer.status, 429);
  assert.equal((await answer.json()).error.reason, "budget_month");
});

Deno.test("access 29: a budget of a group is used up by its keys together, and counts for them alone", async () => {
  await using upstream = answering();
  await using folder = await temporaryFolder();
  const one = makeKey("one", { group: "team" });
  const two = makeKey("two", { group: "team" });
  const other = makeKey("other");
  const config = configOf(upstream, [one, two, other], folder.path, {
    groups: [{ name: "team", budget: { period: "day", tokens: 20 } }],
  });
  await using gateway = await startGateway({ config });
  await askTimes(gateway, one, 2);
  await askTimes(gateway, two, 2);
  for (const key of [one, two]) {
    const answer = await ask(gateway, key);
    assert.equal(answer.status, 429);
    assert.equal((await answer.json()).error.reason, "budget_day");
  }
  await askTimes(gateway, other, 1);
});

Deno.test("access 22: workers of one process agree on what was used", async () => {
  await using upstream = answering();
  await using folder = await temporaryFolder();
  const key = makeKey("web", { budget: { period: "total", tokens: 200 } });
  const config = configOf(upstream, [key], folder.path, { workers: 2 });
  await using gateway = await startGateway({ config });
  // Each on a connection of its own: both workers are asked.
  const close = { headers: { ...bearer(key.key).headers, connection: "close" } };
  let answered = 0;
  for (let n = 0; n < 60; n++) {
    const answer = await gateway.post("/v1/chat/completions", ASK, close);
    const { error } = await answer.json();
    if (answer.status === 200) answered++;
    else assert.equal(error.reason, "budget_total");
  }
  assert.equal(answered, 40, "200 tokens are 40 requests");
});

Deno.test("access 30: two processes during a takeover share the usage, and count nothing twice", async () => {
  await using upstream = answering();
  await using folder = await temporaryFolder();
  const key = makeKey("web", { budget: { period: "month", tokens: 1000 } });
  const config = configOf(upstream, [key], folder.path);
  await using old = await startGateway({ config });
  await askTimes(old, key, 50);
  await using successor = await startGateway({
    config,
    args: ["--port", String(old.port), "--takeover"],
  });
  await askTimes(old, key, 50);
  old.signal("SIGUSR2");
  await old.process.status;
  await askTimes(successor, key, 100 - 1);
  await waitFor(async () => (await written(folder.path)).web === 199, "the file");
  await askTimes(successor, key, 1);
  const refused = await ask(successor, key);
  await refused.text();
  assert.equal(refused.status, 429, "1,000 tokens are 200 requests");
  await successor.stop(60_000);
  assert.equal((await written(folder.path)).web, 201, "the refused one among them");
});

Deno.test("metrics tell what keys have used, and how their budgets stand; an alert says that one runs out", async () => {
  await using upstream = answering();
  await using folder = await temporaryFolder();
  const key = makeKey("web", { budget: { period: "month", cost: 0.2 } });
  await using gateway = await startGateway({ config: configOf(upstream, [key], folder.path) });
  await askTimes(gateway, key, 5);
  await (await ask(gateway, key)).text();
  let text = "";
  let metrics = parseMetrics("\n");
  const requests = (outcome: string) =>
    metrics.sum("gateway_key_requests_total", { key: "web", outcome });
  // One that was refused is booked behind its answer.
  await waitFor(async () => {
    text = await (await fetch(`${gateway.url}/metrics`)).text();
    metrics = parseMetrics(text);
    return requests("complete") === 5 && requests("rejected") === 1;
  }, () => text);
  const tokens = (type: string) =>
    metrics.sum("gateway_key_tokens_total", { key: "web", model: "m", type });
  assert.deepEqual([tokens("prompt"), tokens("cached"), tokens("completion")], [15, 0, 10]);
  assert.equal(metrics.sum("gateway_key_cost_total", { key: "web" }), 0.2);
  const ratio = { key: "web", period: "month" };
  assert.equal(metrics.sum("gateway_key_budget_used_ratio", ratio), 1);
  assert.ok(!text.includes(key.key));
  await waitFor(() => /budget.*key web, month, used up/i.test(gateway.output()), "the alert");
});

Deno.test("access 21: a key that a reload renames is told, by `check` too: its budget begins anew", async () => {
  await using upstream = answering();
  await using folder = await temporaryFolder();
  const budget = { period: "month", tokens: 10 };
  const [web, other] = [makeKey("web", { budget }), makeKey("other")];
  const renamed = { ...web, line: { ...web.line, name: "shop" } };
  await using gateway = await startGateway({
    config: configOf(upstream, [web, other], folder.path),
  });
  await askTimes(gateway, web, 2);
  assert.equal((await ask(gateway, web)).status, 429);
  await gateway.writeConfig(configOf(upstream, [renamed, other], folder.path));
  await waitFor(
    () =>
      /key "?shop"?: "?it was `web` before: its limits and budgets begin anew/.test(
        gateway.output(),
      ),
    "the warning",
  );
  await waitFor(() => /configuration reloaded/.test(gateway.output()), "the reload");
  assert.doesNotMatch(gateway.output(), /key "?other"?: "?it was/);
  await askTimes(gateway, renamed, 1);
  await waitFor(async () => (await written(folder.path)).shop === 1, "the file");
  await using check = startProcess(Deno.execPath(), {
    args: ["run", "-A", "main.ts", "check", "--config", gateway.configPath],
  });
  assert.equal((await check.status).code, 0);
  assert.match(check.stderr(), /warning: usage of \S+ is booked on `web`, which no key is named/);
  assert.doesNotMatch(check.stderr(), /booked on `(shop|other)`/);
});

Deno.test("keys usage tells what was used while the gateway runs, and after it", async () => {
  await using upstream = answering();
  await using folder = await temporaryFolder();
  const key = makeKey("web");
  await using gateway = await startGateway({ config: configOf(upstream, [key], folder.path) });
  await askTimes(gateway, key, 7);
  await waitFor(async () => (await written(folder.path)).web === 7, "the file");
  const args = ["--config", gateway.configPath, "--by", "model", "--format", "json"];
  const said = await heard(() => usage.run(args));
  const { usage: rows } = JSON.parse(said);
  assert.deepEqual(
    rows.map(({ model, requests, cost }: Record<string, unknown>) => [
      model,
      requests,
      cost,
    ]),
    [["m", 7, 0.28]],
  );
});

/** What `work` says on standard output. */
async function heard(work: () => Promise<number>): Promise<string> {
  const { log } = console;
  const lines: string[] = [];
  console.log = (line) => lines.push(line);
  try {
    assert.equal(await work(), 0);
  } finally {
    console.log = log;
  }
  return lines.join("\n");
}

Deno.test("access 1: without keys nobody is limited, and usage is told by address", async () => {
  await using upstream = answering();
  await using folder = await temporaryFolder();
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      health_check: false,
      data_dir: folder.path,
    },
  });
  const answer = await gateway.post("/v1/chat/completions", ASK);
  assert.equal(answer.status, 200);
  await answer.text();
  assert.ok(![...answer.headers.keys()].some((name) => name.startsWith("x-ratelimit")));
  await gateway.stop();
  const { rows } = await reportUsage({
    dataDir: folder.path,
    by: ["key", "client"],
    where: () => true,
  });
  assert.deepEqual(rows.map(({ values, amount }) => [...values, amount.requests]), [
    ["", "127.0.0.1", 1],
  ]);
});

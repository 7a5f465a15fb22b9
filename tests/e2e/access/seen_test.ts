// What people see of keys: metrics, log lines, alerts, and the way to fill limits up again.

import assert from "node:assert/strict";
import { join } from "node:path";
import { completion, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import { ASK, bearer, keyedGateway, makeKey } from "./keyed.ts";

Deno.test("access: metrics and log lines name keys, limits that were met, and who was turned away", async () => {
  const held: (() => void)[] = [];
  await using upstream = startUpstream(async () => {
    await new Promise<void>((resolve) => held.push(resolve));
    return completion("hi");
  });
  const web = makeKey("web", { concurrency: 1, tokens_per_minute: 100_000 });
  await using gateway = await keyedGateway(upstream, [web]);
  const ask = async (key: string) => {
    const response = await gateway.post("/v1/chat/completions", ASK, bearer(key));
    await response.body?.cancel();
    return response.status;
  };
  const first = ask(web.key);
  await waitFor(() => held.length === 1, "the first");
  assert.equal(await ask(web.key), 429);
  assert.equal(await ask("nobody's key"), 401);
  const metrics = async () => await (await fetch(`${gateway.url}/metrics`)).text();
  await waitFor(
    async () => /^gateway_key_in_flight\{key="web"\} 1$/m.test(await metrics()),
    "one to be in flight",
  );
  held[0]();
  assert.equal(await first, 200);
  // What each worker says of its requests comes a moment after their answers.
  let text = "";
  const expected = [
    'gateway_key_in_flight{key="web"} 0',
    'gateway_key_limited_total{key="web",limit="concurrency",action="rejected"} 1',
    'gateway_auth_failures_total{reason="invalid_api_key"} 1',
    'gateway_token_estimate_ratio_count{model="m"} 1',
  ];
  await waitFor(async () => {
    text = await metrics();
    return expected.every((line) => text.includes(`\n${line}\n`));
  }, () => `${expected.join("\n")}\nin\n${text}`);
  await waitFor(
    () => / model=m .*status=429 .* key=web limited=concurrency/.test(gateway.output()),
    "the log line",
  );
});

Deno.test("access: a refused request is logged with its model, whatever limit refused it", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const keys = {
    requests_per_minute: makeKey("often", { requests_per_minute: 1 }),
    tokens_per_minute: makeKey("long", { tokens_per_minute: 1 }),
    max_prompt_tokens: makeKey("wide", { max_prompt_tokens: 1 }),
    budget_day: makeKey("much", { budget: { period: "day", tokens: 1 } }),
  };
  await using gateway = await keyedGateway(upstream, Object.values(keys));
  for (const [limit, { key, line }] of Object.entries(keys)) {
    for (let n = 0; n < 2; n++) {
      const response = await gateway.post("/v1/chat/completions", ASK, bearer(key));
      await response.body?.cancel();
    }
    const pattern = new RegExp(` model=m instance=- status=4\\d\\d rejected .* key=${line.name}`);
    await waitFor(() => pattern.test(gateway.output()), limit);
  }
});

Deno.test("access: limits reset fills the limits of a key up again, with the admin token only", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web", { requests_per_minute: 1 });
  const token = "the-admin-token-of-this-test";
  await using gateway = await keyedGateway(upstream, [web], { admin: { token }, workers: 2 });
  const ask = async () => {
    const response = await gateway.post("/v1/chat/completions", ASK, bearer(web.key));
    await response.body?.cancel();
    return response.status;
  };
  const reset = async (...args: string[]) => {
    const main = join(import.meta.dirname!, "../../../main.ts");
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", main, "limits", "reset", "--url", gateway.url, ...args],
      env: { NO_COLOR: "1" },
      stderr: "piped",
    }).output();
    return { code, text: new TextDecoder().decode(stderr) };
  };
  assert.equal(await ask(), 200);
  assert.equal(await ask(), 429);
  const untrusted = await reset("web");
  assert.equal(untrusted.code, 1);
  assert.match(untrusted.text, /401/);
  assert.equal(await ask(), 429);
  const unknown = await reset("nobody", "--token", token);
  assert.match(unknown.text, /no key with limits is named nobody/);
  const done = await reset("web", "--token", token);
  assert.equal(done.code, 0, done.text);
  assert.equal(await ask(), 200);
});

Deno.test("access: people are told of a key that expires within a week", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const expires = new Date(Date.now() + 3 * 86_400_000).toISOString();
  const late = new Date(Date.now() + 30 * 86_400_000).toISOString();
  await using gateway = await keyedGateway(upstream, [
    makeKey("soon", { expires }),
    makeKey("late", { expires: late }),
  ]);
  await waitFor(() => /key "soon" expires at/.test(gateway.output()), "the warning");
  await waitFor(
    async () => (await (await fetch(`${gateway.url}/metrics`)).text()).includes('"key_expiring"'),
    "the alert",
  );
  await gateway.stop();
  assert.ok(!/"late"/.test(gateway.output()));
});

// `limits reset --budget`: who has used a budget up may go on, and reports keep what was used.

import assert from "node:assert/strict";
import { reportUsage } from "../../../lib/caller/usage/report.ts";
import {
  type GatewayProcess,
  startGateway,
  startProcess,
  temporaryFolder,
} from "../../support/processes.ts";
import { waitFor } from "../../support/wait.ts";
import { completion, startUpstream } from "../../support/upstream.ts";
import { ASK, bearer, makeKey, type TestKey } from "./keyed.ts";

const TOKEN = "the-admin-token-of-this-test";
/** Each answer takes 5 tokens. */
const answer = () => completion("hello");

async function ask(gateway: GatewayProcess, { key }: TestKey): Promise<string> {
  const response = await gateway.post("/v1/chat/completions", ASK, bearer(key));
  const { error } = await response.json();
  return response.status === 200 ? "200" : `${response.status} ${error.reason}`;
}

async function reset(gateway: GatewayProcess, ...args: string[]) {
  await using command = startProcess(Deno.execPath(), {
    args: ["run", "-A", "main.ts", "limits", "reset", ...args, "--url", gateway.url],
    env: { ADMIN_TOKEN: TOKEN },
  });
  const { code } = await command.status;
  return { code, text: command.stderr() };
}

for (const workers of [1, 2]) {
  Deno.test(`access: a used budget begins anew by a command, for this period and after kill -9, with ${workers} workers`, async () => {
    await using upstream = startUpstream(answer);
    await using folder = await temporaryFolder();
    const web = makeKey("web", {
      group: "team",
      budget: [{ period: "day", tokens: 10 }, { period: "total", tokens: 1000 }],
    });
    const other = makeKey("other", { group: "team", budget: { period: "day", tokens: 5 } });
    const config = {
      instances: [{ url: upstream.url, model_name: "m" }],
      health_check: false,
      data_dir: folder.path,
      workers,
      keys: [web.line, other.line],
      groups: [{ name: "team", budget: { period: "month", tokens: 100 } }],
      admin: { token: TOKEN },
    };
    {
      await using gateway = await startGateway({ config });
      assert.deepEqual(
        [await ask(gateway, web), await ask(gateway, web), await ask(gateway, web)],
        ["200", "200", "429 budget_day"],
      );
      assert.deepEqual(
        [await ask(gateway, other), await ask(gateway, other)],
        ["200", "429 budget_day"],
      );
      const done = await reset(gateway, "web", "--budget", "day");
      assert.equal(done.code, 0, done.text);
      assert.match(done.text, /the budget of key web for day begins anew/);
      assert.equal(await ask(gateway, web), "200");
      assert.equal(await ask(gateway, other), "429 budget_day", "another's stays used");
      const none = await reset(gateway, "web", "--budget", "month");
      assert.equal(none.code, 1);
      assert.match(none.text, /no key named web has a budget for month/);
      await gateway.kill();
    }
    await using gateway = await startGateway({ config });
    const { budgets } = await (await fetch(`${gateway.url}/v1/key`, bearer(web.key))).json();
    const left = Object.fromEntries(
      budgets.map((one: { scope: string; period: string; tokens_left: number }) => [
        `${one.scope} ${one.period.replace(/[\d-]+/, "now")}`,
        one.tokens_left,
      ]),
    );
    // The last one may have been within the half second that a kill costs.
    assert.ok(left["key now"] >= 5, JSON.stringify(left));
    assert.ok(left["key total"] <= 990, "other budgets count on");
    assert.equal(await ask(gateway, web), "200");
    const team = await reset(gateway, "team", "--of", "group", "--budget", "month");
    assert.equal(team.code, 0, team.text);
    // What came last is written within half a second.
    await waitFor(async () => {
      const { rows } = await reportUsage({ dataDir: folder.path, by: ["key"], where: () => true });
      return rows.find(({ values: [key] }) => key === "web")!.amount.tokens >= 15;
    }, "what was used to be reported");
  });
}

Deno.test("access: a budget that gateways share is not forgiven by one of them, which says so", async () => {
  await using upstream = startUpstream(answer);
  const web = makeKey("web", { budget: { period: "day", tokens: 10 } });
  await using gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      keys: [web.line],
      admin: { token: TOKEN },
      // Nobody listens there: what is said does not depend on it.
      shared_state: { url: "redis://127.0.0.1:9" },
    },
  });
  const refused = await reset(gateway, "web", "--budget", "day");
  assert.equal(refused.code, 1);
  assert.match(refused.text, /409: .*shared_state.* raise it/);
});

// An instance that is asked by hand, by the command and from its page's API: what it is found to be, in words.

import assert from "node:assert/strict";
import { join } from "node:path";
import { type Fleet, startFleet } from "../faults/fleet.ts";
import { ROOT, startProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

const TOKEN = "correct-horse-battery";

async function ask(fleet: Fleet, name: string, ...args: string[]) {
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "ask", name, "--url", fleet.gateway.url, ...args],
    env: { ADMIN_TOKEN: TOKEN },
  });
  const { code } = await child.status;
  return { code, out: child.stdout(), err: child.stderr() };
}

function start(each: (index: number) => Record<string, unknown> = () => ({})): Promise<Fleet> {
  return startFleet({
    each,
    simulate: ["--api-key", "sk-right-key"],
    config: { admin: { token: TOKEN }, timeouts: { first_byte: 1 } },
  });
}

Deno.test("an instance that is asked by hand says whether it lives, and nothing is counted", async () => {
  await using fleet = await start(() => ({ api_key: "sk-right-key" }));
  const fine = await ask(fleet, "sim-0");
  assert.equal(fine.code, 0, fine.err);
  const lines = fine.out.trim().split("\n");
  assert.match(lines[0], /^GET \/health: fine \(200, \d+ ms\)$/);
  assert.match(lines[1], /^GET \/v1\/models: fine/);
  assert.match(lines[2], /^POST \/v1\/chat\/completions: fine/);
  assert.equal(lines[3], "sim-0 answers, and is in service.");
  const { instances } = await fleet.health();
  assert.deepEqual(instances.map(({ in_flight, recent_errors }) => [in_flight, recent_errors]), [
    [0, 0],
    [0, 0],
  ]);
  await fleet.simulators.fail(0, "engine-hung", { count: 1 });
  const hung = await ask(fleet, "sim-0");
  assert.equal(hung.code, 2);
  assert.match(hung.out, /GET \/health: fine[^]*chat\/completions: no answer .* within 1 s/);
  assert.match(hung.out, /cannot be used/);
  await fleet.simulators.reset(0);
  await fleet.simulators.fail(1, "refuse", { count: 1 });
  await waitFor(async () => (await ask(fleet, "sim-1")).out.includes("refused"), "a refusal");
  const gone = JSON.parse((await ask(fleet, "sim-1", "--json")).out);
  assert.deepEqual([gone.ok, gone.steps.length, gone.steps[0].outcome], [false, 1, "no_answer"]);
  const nobody = await ask(fleet, "sim-7");
  assert.equal(nobody.code, 1);
  assert.match(nobody.err, /no instance is named sim-7/);
});

Deno.test("a wrong key and a wrong model are told by hand, and the key is in no word of it", async () => {
  await using fleet = await start((index) =>
    index === 0 ? { api_key: "sk-wrong-key" } : { api_key: "sk-right-key", upstream_model: "other" }
  );
  const key = await ask(fleet, "sim-0");
  assert.equal(key.code, 2);
  assert.match(key.out, /v1\/models: it refuses the key \(answered 401\)/);
  assert.doesNotMatch(key.out + key.err, /sk-wrong-key/);
  const model = await ask(fleet, "sim-1");
  assert.equal(model.code, 2);
  assert.match(model.out, /does not serve other; it has: demo/);
  assert.match(model.out, /chat\/completions: it failed \(answered 404/);
});

Deno.test("who has no token may not ask", async () => {
  await using fleet = await start();
  for (const headers of [{}, { authorization: "Bearer wrong" }] as HeadersInit[]) {
    const response = await fetch(`${fleet.gateway.url}/dashboard/api/ask`, {
      method: "POST",
      headers,
      body: JSON.stringify({ instance: "sim-0" }),
    });
    assert.equal(response.status, 401);
    await response.body?.cancel();
  }
  assert.deepEqual(await fleet.counts(), [0, 0]);
});

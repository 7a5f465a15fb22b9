// Sessions of several gateways: what one sent where, the others go by.

import assert from "node:assert/strict";
import { type GatewayProcess, startSimulators } from "../support/processes.ts";
import { by, names } from "./by_prompts.ts";
import { hearsMore, startTogether } from "./gateways.ts";

/** A turn too short for its words to say where it belongs. */
async function turn(gateway: GatewayProcess, session: string, words: string) {
  const body = { model: "m", messages: [{ role: "user", content: words }], max_tokens: 1 };
  const headers = { "content-type": "application/json", "x-session-id": session };
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.text());
  return {
    instance: answer.headers.get("x-gateway-instance")!,
    why: /;by=(\w+)/.exec(answer.headers.get("x-gateway-route")!)![1],
  };
}

Deno.test("a session that comes by another gateway stays at its instance, and goes on from there", async () => {
  await using simulators = await startSimulators({ count: 3, args: ["--model", "m"] });
  // The first gateway has the last instance alone.
  const configs = [by(simulators.urls.slice(2)), by(simulators.urls)];
  await using together = await startTogether(configs);
  const [first, second] = together.gateways;
  for (const name of names) await turn(first, name, `hello, ${name}`);
  await hearsMore(second);
  const last = `127.0.0.1:${simulators.ports[2]}`;
  for (const name of names) {
    assert.deepEqual(await turn(second, name, `and now, ${name}?`), {
      instance: last,
      why: "session",
    });
  }
  // Of one that nobody knows it is not said.
  assert.notEqual((await turn(second, "nobody's", "hello")).why, "session");
});

Deno.test("a pinned session moves to and fro between two gateways and never between instances", async () => {
  await using simulators = await startSimulators({ count: 3, args: ["--model", "m"] });
  const more = { routing: { session: { mode: "pin" } } };
  await using together = await startTogether([
    by(simulators.urls, more),
    by(simulators.urls, more),
  ]);
  const gone = new Map<string, Set<string>>(names.map((name) => [name, new Set()]));
  for (let n = 0; n < 4; n++) {
    const gateway = together.gateways[n % 2];
    for (const name of names) {
      gone.get(name)!.add((await turn(gateway, name, `turn ${n}, ${name}`)).instance);
    }
    for (const other of together.gateways) await hearsMore(other);
  }
  for (const [name, instances] of gone) assert.equal(instances.size, 1, name);
  const all = new Set([...gone.values()].flatMap((instances) => [...instances]));
  assert.ok(all.size > 1, "all sessions at one instance");
});

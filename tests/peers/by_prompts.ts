// What tests of several gateways have in common that balance by prompts.

import assert from "node:assert/strict";
import { type GatewayProcess, startGateway, startSimulators } from "../support/processes.ts";
import { hearsMore, startTogether } from "./gateways.ts";

const QUIET = { health_check: false, scrape: false, model_discovery: false };

/** A prompt of 4 KB that has nothing in common with those of other names. */
export function chat(name: string) {
  return {
    model: "m",
    messages: [{ role: "user", content: `${name} `.repeat(4096 / (name.length + 1)) }],
  };
}

/** A gateway that balances by prompts over these instances. */
export function by(urls: readonly string[], more: Record<string, unknown> = {}) {
  const instances = urls.map((url) => ({ url, model_name: "m" }));
  return { load_balancing_strategy: "prefix_aware", ...QUIET, instances, ...more };
}

export async function instanceOf(gateway: GatewayProcess, name: string): Promise<string> {
  const answer = await gateway.post("/v1/chat/completions", chat(name));
  assert.equal(answer.status, 200, await answer.text());
  return answer.headers.get("x-gateway-instance")!;
}

/** So many that hardly ever all of them have one home. */
export const names = Array.from({ length: 20 }, (_, n) => `animal${n}`);

/** Whether what the first of two gateways has sent leads the second one. */
export async function followsNotes(workers: number): Promise<void> {
  await using simulators = await startSimulators({ count: 2, args: ["--model", "m"] });
  // The first gateway has the second instance alone, which is at most every other prompt's home.
  const configs = [by(simulators.urls.slice(1), { workers }), by(simulators.urls, { workers })];
  await using together = await startTogether(configs);
  const [first, second] = together.gateways;
  for (const name of names) await instanceOf(first, name);
  await hearsMore(second);
  const told = `127.0.0.1:${simulators.ports[1]}`;
  for (const name of names) {
    const why = await (await second.post("/admin/explain", chat(name))).text();
    assert.equal(await instanceOf(second, name), told, why);
  }
  const alone = await startGateway({ config: configs[1] });
  await using _ = alone;
  const without = new Set<string>();
  for (const name of names) without.add(await instanceOf(alone, name));
  assert.equal(without.size, 2, "without notes both are asked");
}

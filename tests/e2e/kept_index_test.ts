// What instances hold is known to the next process. "36" is the edge case of docs/decisions/routing.md.

import assert from "node:assert/strict";
import { join } from "node:path";
import { type GatewayProcess, startGateway, temporaryFolder } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { startTelling, type TellingVllm } from "./telling_vllm.ts";

const PROMPTS = 12;

async function ask(gateway: GatewayProcess, n: number) {
  const messages = [{ role: "user", content: `prompt ${n} `.repeat(400) }];
  const answer = await gateway.post("/v1/chat/completions", { model: "m", messages });
  assert.equal(answer.status, 200, await answer.text());
  return {
    name: answer.headers.get("x-gateway-instance")!,
    place: answer.headers.get("x-gateway-route")!.split(";")[0],
    why: /;by=(\w+);/.exec(answer.headers.get("x-gateway-route")!)![1],
  };
}

function behind(instances: TellingVllm[], dataDir: string, more: object = {}) {
  const config = {
    data_dir: dataDir,
    instances: instances.map(({ url }, n) => ({ url, model_name: "m", name: `gpu-${n}` })),
    load_balancing_strategy: "prefix_aware",
    health_check: false,
    scrape: { interval: 0.1, timeout: 60 },
    ...more,
  };
  return startGateway({ config: JSON.stringify(config) });
}

Deno.test("36: after a graceful end the next process sends prompts where they were, by what they have there", async () => {
  await using a = startTelling("a");
  await using b = startTelling("b");
  await using folder = await temporaryFolder();
  const dataDir = join(folder.path, "data");
  const before = await behind([a, b], dataDir);
  const names: string[] = [];
  for (let n = 0; n < PROMPTS; n++) names.push((await ask(before, n)).name);
  assert.equal((await before.stop()).code, 0, before.output());
  await before[Symbol.asyncDispose]();
  await using after = await behind([a, b], dataDir);
  for (let n = 0; n < PROMPTS; n++) {
    const { name, why } = await ask(after, n);
    assert.deepEqual([name, why], [names[n], "prefix"], `prompt ${n}`);
  }
});

/** Of a server with ranks, once who serves it has heard of them. */
async function askRanked(gateway: GatewayProcess, n: number) {
  let last = await ask(gateway, n);
  await waitFor(async () => {
    if (last.place.startsWith("gpu-0/")) return true;
    last = await ask(gateway, n);
    return false;
  }, "a rank to be named");
  return last;
}

Deno.test("36: what data-parallel ranks hold is known again once metrics show them", async () => {
  await using server = startTelling("a");
  const engines = [0, 1].map((engine) => `vllm:num_requests_running{engine="${engine}"} 0\n`);
  server.metrics = () => new Response(engines.join(""));
  await using folder = await temporaryFolder();
  const dataDir = join(folder.path, "data");
  const before = await behind([server], dataDir);
  const places: string[] = [];
  for (let n = 0; n < PROMPTS; n++) places.push((await askRanked(before, n)).place);
  assert.deepEqual([...new Set(places)].sort(), ["gpu-0/0", "gpu-0/1"]);
  assert.equal((await before.stop()).code, 0, before.output());
  await before[Symbol.asyncDispose]();
  await using after = await behind([server], dataDir);
  await askRanked(after, PROMPTS);
  for (let n = 0; n < PROMPTS; n++) {
    const { place, why } = await askRanked(after, n);
    assert.deepEqual([place, why], [places[n], "prefix"], `prompt ${n}`);
  }
});

Deno.test("36: what is damaged is said in one line and not used, and nothing is written where it is not wanted", async () => {
  await using a = startTelling("a");
  await using b = startTelling("b");
  await using folder = await temporaryFolder();
  const dataDir = join(folder.path, "data");
  await Deno.mkdir(dataDir);
  await Deno.writeTextFile(join(dataDir, "routing_index"), "no index");
  {
    await using gateway = await behind([a, b], dataDir);
    await gateway.process.waitForOutput(/is not used: "it is no index of this version"/);
    const lines = gateway.output().split("\n").filter((line) => line.includes("routing_index"));
    assert.equal(lines.length, 1, gateway.output());
    assert.equal((await ask(gateway, 1)).why, "home");
  }
  await Deno.remove(join(dataDir, "routing_index"));
  {
    await using gateway = await behind([a, b], dataDir, { routing: { keep_index: false } });
    await ask(gateway, 1);
    await gateway.stop();
  }
  await assert.rejects(Deno.stat(join(dataDir, "routing_index")), Deno.errors.NotFound);
});

// Data-parallel ranks of a simulated instance: engines of their own behind one address.

import assert from "node:assert/strict";
import { ask, stand } from "./stand.ts";

const body = (name: string) => ({
  model: "demo",
  messages: ask(`${name} `.repeat(400)),
  max_tokens: 2,
});
const CHAT = "/v1/chat/completions";
const at = (rank: number | string) => ({ "x-data-parallel-rank": String(rank) });

Deno.test("39: each rank has a cache and metrics of its own", async () => {
  await using server = await stand({ ranks: 3, cacheBlocks: 500 });
  const found = async (rank: number) =>
    await server.metric(`vllm:prefix_cache_hits_total{engine="${rank}"`);
  for (let turn = 0; turn < 2; turn++) await server.json(CHAT, body("apple"), at(1));
  const hits = await found(1);
  assert.ok(hits > 300, `${hits} tokens found`);
  await server.json(CHAT, body("apple"), at(2));
  assert.deepEqual([await found(0), await found(1), await found(2)], [0, hits, 0]);
  for (const rank of [0, 1, 2]) {
    const info = `vllm:cache_config_info{engine="${rank}",model_name="demo",block_size="16",` +
      'num_gpu_blocks="500"';
    assert.equal(await server.metric(info), 1);
  }
  const text = await (await fetch(`${server.origin}/metrics`)).text();
  assert.equal(text.match(/^# TYPE vllm:num_requests_running /gm)?.length, 1, "each family once");
});

Deno.test("39: without a rank the idlest answers; one that is not there is refused", async () => {
  await using server = await stand({ ranks: 2 });
  for (let n = 0; n < 6; n++) await server.json(CHAT, body(`word${n}`));
  for (const rank of [0, 1]) {
    const asked = await server.metric(`vllm:prompt_tokens_total{engine="${rank}"`);
    assert.ok(asked > 0, `rank ${rank}`);
  }
  const refused = await server.post(CHAT, body("apple"), at(2));
  assert.equal(refused.status, 400);
  assert.match((await refused.json()).error.message, /out of range \[0, 2\)/);
  assert.equal((await server.post(CHAT, body("apple"), at("none"))).status, 200);
});

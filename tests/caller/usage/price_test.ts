// What tokens cost.

import assert from "node:assert/strict";
import { Prices } from "../../../lib/caller/usage/price.ts";

const price = (prompt: number) => ({ prompt, cached: prompt / 10, completion: prompt * 4 });
const prices = new Prices({ "qwen*": price(1), "qwen3-*": price(2), "qwen3-72b": price(3) });

Deno.test("a model's own price counts before that of a beginning, and a longer beginning before a shorter", () => {
  assert.equal(prices.of("qwen3-72b")?.prompt, 3);
  assert.equal(prices.of("qwen3-8b")?.prompt, 2);
  assert.equal(prices.of("qwen2")?.prompt, 1);
  assert.equal(prices.of("llama"), null);
});

Deno.test("access 29: a model without a price costs nothing", () => {
  assert.equal(prices.costOf("llama", { prompt: 1e6, cached: 0, completion: 1e6 }), 0);
});

Deno.test("access 17: cached tokens are a part of the prompt and have their own price", () => {
  const tokens = { prompt: 1_000_000, cached: 400_000, completion: 500_000 };
  const cost = prices.costOf("qwen3-72b", tokens);
  assert.equal(Number(cost.toFixed(9)), 0.6 * 3 + 0.4 * 0.3 + 0.5 * 12);
});

Deno.test("more cached tokens than the prompt has never make a price smaller than all cached", () => {
  const odd = prices.costOf("qwen2", { prompt: 1e6, cached: 9e6, completion: 0 });
  assert.equal(odd, prices.costOf("qwen2", { prompt: 1e6, cached: 1e6, completion: 0 }));
});

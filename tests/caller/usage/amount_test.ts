// Sums of tokens and money are exact, however many there are.

import assert from "node:assert/strict";
import { Amount } from "../../../lib/caller/usage/amount.ts";
import { levelOf } from "../../../lib/caller/usage/budget.ts";
import { Prices } from "../../../lib/caller/usage/price.ts";

Deno.test("access 29: a million charges of 0.1 make 100,000 exactly", () => {
  const sum = new Amount();
  for (let n = 0; n < 1_000_000; n++) sum.add(new Amount().pay(0.1));
  assert.equal(sum.cost, 100_000);
  assert.equal(sum.nanos, 0);
});

Deno.test("access 29: a token for 0.05 per million is counted, not rounded away", () => {
  const prices = new Prices({ m: { prompt: 0.05, cached: 0.05, completion: 2 } });
  const cost = prices.costOf("m", { prompt: 1, cached: 0, completion: 0 });
  const sum = new Amount();
  for (let n = 0; n < 1_000_000; n++) sum.add(new Amount().pay(cost));
  assert.equal(sum.cost, 0.05);
});

Deno.test("access 29: large amounts of a small currency keep their billionths", () => {
  const sum = new Amount().pay(8_000_000.1);
  for (let n = 0; n < 1000; n++) sum.add(new Amount().pay(8_000_000.1));
  assert.deepEqual([sum.units, sum.nanos], [8_008_000_100, 100_000_000]);
});

Deno.test("what is taken away again leaves nothing", () => {
  const sum = new Amount().pay(0.3);
  sum.prompt = 5;
  const left = sum.copy().subtract(sum.copy());
  assert.ok(left.isNothing);
  const less = new Amount().pay(0.1).subtract(new Amount().pay(0.3));
  assert.equal(Number(less.cost.toFixed(9)), -0.2);
  assert.equal(less.add(new Amount().pay(0.2)).cost, 0);
});

Deno.test("access 29: a budget that is reached exactly is used up, a billionth before it is not", () => {
  const budget = { period: "month", tokens: null, cost: 100 } as const;
  const used = new Amount();
  for (let n = 0; n < 999; n++) used.pay(0.1);
  used.pay(0.099999999);
  const before = levelOf(budget, "2026-11", used, null);
  assert.equal(before.isExhausted, false);
  assert.equal(before.leftCost, 0.000000001);
  const level = levelOf(budget, "2026-11", used.pay(0.000000001), null);
  assert.equal(level.isExhausted, true);
  assert.equal(level.leftCost, 0);
  assert.equal(level.usedRatio, 1);
});

Deno.test("a budget of tokens counts prompt and answer, cached tokens once", () => {
  const used = new Amount();
  used.prompt = 60;
  used.cached = 50;
  used.completion = 39;
  const budget = { period: "day", tokens: 100, cost: null } as const;
  assert.equal(levelOf(budget, "2026-11-26", used, null).leftTokens, 1);
  used.completion++;
  assert.ok(levelOf(budget, "2026-11-26", used, null).isExhausted);
});

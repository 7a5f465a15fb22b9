// A retry costs the budget once, and only where somebody was asked.

import assert from "node:assert/strict";
import { RetryBudget } from "../../lib/forward/retry_budget.ts";
import { RetryGrant } from "../../lib/forward/retry_grant.ts";
import type { Instance } from "../../lib/pool/instance.ts";

const instance = (fallback = false) => ({ config: { fallback } }) as Instance;

const LIMITS = { share: 0.2, atFirst: 10, most: 100 };

/** How many retries `budget` still has, which are taken. */
function left(budget: RetryBudget): number {
  let count = 0;
  while (budget.withdraw()) count++;
  return count;
}

const FULL = left(new RetryBudget(LIMITS));

Deno.test("a retry that was made is paid once, however often it was asked for", () => {
  const budget = new RetryBudget(LIMITS);
  const retry = new RetryGrant(budget);
  assert.ok(retry.ask() && retry.ask());
  retry.attempted(instance());
  retry.close();
  assert.equal(left(budget), FULL - 1);
});

Deno.test("a retry that reached nobody, or was never made, is given back", () => {
  const budget = new RetryBudget(LIMITS);
  const retry = new RetryGrant(budget);
  const there = instance();
  retry.ask();
  retry.attempted(there);
  retry.notAsked(instance());
  retry.notAsked(there);
  retry.ask();
  // A fallback is no retry on the pool.
  retry.attempted(instance(true));
  retry.close();
  retry.close();
  assert.equal(left(budget), FULL);
});

Deno.test("a free one takes no other request's, and none is left where the budget is empty", () => {
  const budget = new RetryBudget(LIMITS);
  assert.equal(left(budget), FULL);
  const retry = new RetryGrant(budget);
  assert.equal(retry.ask(), false);
  retry.giveFree();
  assert.equal(retry.ask(), true);
  const there = instance();
  retry.attempted(there);
  retry.notAsked(there);
  assert.equal(retry.ask(), false);
  assert.equal(left(budget), 0);
});

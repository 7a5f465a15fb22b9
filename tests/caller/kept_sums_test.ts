import assert from "node:assert/strict";
import { KeptSums } from "../../lib/caller/shared/kept_sums.ts";
import { Amount } from "../../lib/caller/usage/amount.ts";
import { counterName } from "../../lib/caller/usage/counter_name.ts";

const DAY_MS = 86_400_000;

Deno.test("sums of days that are over go, and those of a budget without a period stay", () => {
  const sums = new KeptSums();
  const amount = new Amount();
  amount.prompt = 5;
  for (let day = 0; day < 365; day++) {
    const now = day * DAY_MS;
    sums.forgetBefore(now);
    for (const period of [new Date(now).toISOString().slice(0, 10), "total"]) {
      sums.set(counterName({ scope: "key", name: "web", period }, now), amount);
    }
  }
  assert.ok(sums.size <= 5, `${sums.size}`);
  assert.equal(sums.of("key total web").prompt, 5);
  assert.equal(sums.of("key 1970-12-31 web").prompt, 5);
  assert.equal(sums.of("key 1970-12-01 web").prompt, 0);
});

// Percentiles of the last minute: lib/observe/first_tokens.ts and quantiles.ts by themselves.

import assert from "node:assert/strict";
import { FirstTokens } from "../../lib/observe/first_tokens.ts";
import { MinuteQuantiles, Quantiles } from "../../lib/observe/quantiles.ts";
import type { Report } from "../../lib/observe/report.ts";
import { REPORT } from "./sample_report.ts";

/** Values with a long tail, as first tokens have one, the same each time. */
function* tail(count: number, seed = 7): Generator<number> {
  for (let i = 0; i < count; i++) {
    seed = (seed * 48_271) % 2_147_483_647;
    yield 50 * Math.exp(5 * (seed / 2_147_483_647) ** 3);
  }
}

function trueAt(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(q * values.length) - 1)];
}

Deno.test("a percentile is within 5 % of the true one, and never above the largest value", () => {
  for (const count of [1, 2, 3, 10, 99, 100, 101, 5000, 50_000]) {
    const values = [...tail(count)];
    const quantiles = new Quantiles();
    for (const value of values) quantiles.add(value);
    const largest = values.reduce((most, value) => Math.max(most, value));
    for (const q of [0, 0.5, 0.99, 1]) {
      const found = quantiles.at(q)!;
      assert.ok(found <= largest + 0.05, `${found} of at most ${largest}`);
      const real = trueAt(values, q);
      assert.ok(Math.abs(found - real) <= real * 0.05, `${q} of ${count}: ${found}, true ${real}`);
    }
  }
  assert.equal(new Quantiles().at(0.5), null);
  const zeros = new Quantiles();
  zeros.add(0);
  assert.equal(zeros.at(0.99), 0);
});

Deno.test("what is older than a minute is forgotten, and what is newer is not", () => {
  const minute = new MinuteQuantiles();
  minute.add(10_333, 5_000);
  for (let at = 6_000; at < 50_000; at += 1000) minute.add(80, at);
  assert.equal(minute.of(50_000).at(1), 10_333);
  assert.equal(minute.of(59_999).count, 45);
  assert.equal(minute.of(60_000).at(1), 80);
  assert.equal(minute.of(200_000).at(0.5), null);
  minute.add(7, 200_000);
  assert.equal(minute.of(200_000).at(0.99), 7, "a new value is seen at once");
});

Deno.test("first tokens are told apart by model and instance, and made up names cost nothing", () => {
  const firstTokens = new FirstTokens(() => 0);
  const instances = [{ name: "a", models: ["m"] }, { name: "b", models: ["m", "n"] }];
  firstTokens.configure({ instances });
  const tell = (more: Partial<Report>) => firstTokens.request({ ...REPORT, ...more });
  tell({ firstByteMs: 100 });
  tell({ firstByteMs: 300, instance: "b", model: "n" });
  tell({ firstByteMs: 5000, instance: "", model: "made up" });
  tell({ firstByteMs: 9000, streamed: false });
  tell({ firstByteMs: 9000, outcome: "rejected" });
  tell({ firstByteMs: null });
  const near = (found: number | null, real: number) =>
    assert.ok(Math.abs(found! - real) <= real * 0.05, `${found}, true ${real}`);
  near(firstTokens.total.p99, 5000);
  near(firstTokens.total.p50, 300);
  assert.deepEqual(firstTokens.instance("a"), { p50: 100, p99: 100 });
  assert.deepEqual(firstTokens.model("n"), { p50: 300, p99: 300 });
  assert.deepEqual(firstTokens.model("made up"), { p50: null, p99: null });
  firstTokens.configure({ instances: instances.slice(0, 1) });
  assert.deepEqual(firstTokens.instance("b"), { p50: null, p99: null });
  assert.deepEqual(firstTokens.instance("a"), { p50: 100, p99: 100 });
});

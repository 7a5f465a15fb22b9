// Instances by the length of their context. Numbers are those of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { byContext } from "../../../lib/pool/balancing/context.ts";

const POOL = [4096, 32_768, 131_072].map((contextLength) => ({ contextLength }));
const lengths = (prompt: number, answer = 0) =>
  byContext(POOL, { prompt, answer }).map(({ contextLength }) => contextLength);

Deno.test("29: a prompt goes to those that can hold it with its answer", () => {
  assert.deepEqual(lengths(1000), [4096, 32_768, 131_072]);
  assert.deepEqual(lengths(1000, 4000), [32_768, 131_072]);
  assert.deepEqual(lengths(20_000), [32_768, 131_072]);
  assert.deepEqual(lengths(60_000), [131_072]);
});

Deno.test("29: an estimate that is a quarter too high keeps nobody from an answer", () => {
  for (const { contextLength } of POOL) {
    const alone = [{ contextLength }];
    const fits = Math.floor(contextLength * 1.25);
    assert.deepEqual(byContext(alone, { prompt: fits, answer: 0 }), alone);
  }
  // Two that may hold it: both are left to the choice.
  const pair = [{ contextLength: 8000 }, { contextLength: 8192 }];
  assert.deepEqual(byContext(pair, { prompt: 9500, answer: 0 }), pair);
});

Deno.test("29: where it may not fit, one that certainly can hold it comes first", () => {
  assert.deepEqual(lengths(3900), [32_768, 131_072]);
  assert.deepEqual(lengths(120_000), [131_072]);
});

Deno.test("30: all too short: the longest is asked, so that the error is its own", () => {
  assert.deepEqual(lengths(400_000), [131_072]);
  assert.deepEqual(lengths(10, 200_000), [131_072]);
});

Deno.test("29: an instance that does not say how much it holds is taken to hold it", () => {
  const pool = [{ contextLength: null }, { contextLength: 4096 }];
  assert.deepEqual(byContext(pool, { prompt: 50_000, answer: 0 }), [pool[0]]);
  assert.deepEqual(byContext(pool, { prompt: 500, answer: 0 }), pool);
});

// How many tokens a request will need, by what earlier ones took.

import assert from "node:assert/strict";
import { Estimates } from "../../lib/caller/estimates.ts";

/** Repeatable, between 0 and 1. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = Math.imul(state, 48271) >>> 0) / 2 ** 32;
}

Deno.test("an answer is taken for as long as nine of ten of the last 64 were", () => {
  const random = randomFrom(7);
  const estimates = new Estimates();
  const all: number[] = [];
  assert.equal(estimates.answer("web", 0), 500);
  for (let count = 0; count < 500; count++) {
    // Often the same, sometimes the longest or the shortest so far, sometimes a part of a token.
    const tokens = random() < 0.3 ? 10 : Math.floor(random() * (count % 50 === 0 ? 9000 : 300)) / 2;
    all.push(tokens);
    estimates.answered("web", tokens);
    const last = all.slice(-64).sort((a, b) => a - b);
    const usual = Math.max(1, last[Math.ceil(0.9 * last.length) - 1]);
    assert.equal(estimates.answer("web", 0), usual, `after ${count + 1}`);
    assert.equal(estimates.answer("web", 20), Math.min(20, usual));
  }
  assert.equal(estimates.answer("ci", 0), 500);
});

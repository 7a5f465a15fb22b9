// Rates and quantiles from counters: lib/dashboard/history.ts by itself.

import assert from "node:assert/strict";
import { type Counters, quantile, Track } from "../../lib/dashboard/history.ts";

const BOUNDS = [100, 200, 400];

function counters(requests: number, ttft: number[] = [0, 0, 0, 0]): Counters {
  const tokens = { promptTokens: 0, completionTokens: 0, generatedTokens: requests * 10 };
  return { requests, errors: 0, ...tokens, ttft };
}

Deno.test("a rate is over the last ten seconds", () => {
  const track = new Track(BOUNDS, 120);
  for (let second = 0; second <= 30; second++) {
    track.add(second * 1000, counters(second < 20 ? second * 5 : 100), 0);
  }
  assert.equal(track.rates.requestsPerS, 0);
  const busy = new Track(BOUNDS, 120);
  for (let second = 0; second <= 30; second++) busy.add(second * 1000, counters(second * 5), 0);
  assert.equal(busy.rates.requestsPerS, 5);
  assert.equal(busy.rates.tokensPerS, 50);
});

Deno.test("the first sample has no rate", () => {
  const track = new Track(BOUNDS, 120);
  track.add(0, counters(1000), 3);
  assert.deepEqual(track.rates, {
    requestsPerS: 0,
    tokensPerS: 0,
    ttftP50Ms: null,
    ttftP99Ms: null,
  });
});

Deno.test("quantiles forget what is older than a minute", () => {
  const track = new Track(BOUNDS, 120);
  track.add(0, counters(0), 0);
  track.add(1000, counters(10, [10, 0, 0, 0]), 0);
  assert.equal(track.rates.ttftP50Ms, 50);
  for (let second = 2; second < 70; second++) {
    track.add(second * 1000, counters(10, [10, 0, 0, 0]), 0);
  }
  assert.equal(track.rates.ttftP50Ms, null);
});

Deno.test("a history has the length asked for, and nothing before the first sample", () => {
  const track = new Track(BOUNDS, 3);
  for (let second = 0; second < 2; second++) track.add(second * 1000, counters(second), second);
  assert.deepEqual(track.history(4).in_flight, [null, null, 0, 1]);
  for (let second = 2; second < 6; second++) track.add(second * 1000, counters(second), second);
  assert.deepEqual(track.history(3).in_flight, [3, 4, 5]);
});

Deno.test("a quantile lies within its bucket, and at the last bound above it", () => {
  assert.equal(quantile(BOUNDS, [0, 0, 0, 0], 0.5), null);
  assert.equal(quantile(BOUNDS, [2, 2, 0, 0], 0.5), 100);
  assert.equal(quantile(BOUNDS, [0, 4, 0, 0], 0.5), 150);
  assert.equal(quantile(BOUNDS, [1, 0, 0, 99], 0.99), 400);
});

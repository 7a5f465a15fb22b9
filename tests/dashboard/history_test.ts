// Rates from counters: lib/dashboard/history.ts by itself.

import assert from "node:assert/strict";
import { type Counters, Track } from "../../lib/dashboard/history.ts";

const NONE = { p50: null, p99: null };

function counters(requests: number): Counters {
  const tokens = { promptTokens: 0, completionTokens: 0, generatedTokens: requests * 10 };
  return { requests, errors: 0, ...tokens };
}

Deno.test("a rate is over the last ten seconds", () => {
  const track = new Track(120);
  for (let second = 0; second <= 30; second++) {
    track.add(second * 1000, counters(second < 20 ? second * 5 : 100), 0, NONE);
  }
  assert.equal(track.rates.requestsPerS, 0);
  const busy = new Track(120);
  for (let second = 0; second <= 30; second++) {
    busy.add(second * 1000, counters(second * 5), 0, NONE);
  }
  assert.equal(busy.rates.requestsPerS, 5);
  assert.equal(busy.rates.tokensPerS, 50);
});

Deno.test("the first sample has no rate", () => {
  const track = new Track(120);
  track.add(0, counters(1000), 3, NONE);
  assert.deepEqual(track.rates, {
    requestsPerS: 0,
    tokensPerS: 0,
    ttftP50Ms: null,
    ttftP99Ms: null,
  });
});

Deno.test("a history has the length asked for, and nothing before the first sample", () => {
  const track = new Track(3);
  for (let second = 0; second < 2; second++) {
    track.add(second * 1000, counters(second), second, NONE);
  }
  assert.deepEqual(track.history(4).in_flight, [null, null, 0, 1]);
  for (let second = 2; second < 6; second++) {
    track.add(second * 1000, counters(second), second, NONE);
  }
  assert.deepEqual(track.history(3).in_flight, [3, 4, 5]);
});

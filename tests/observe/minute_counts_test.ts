// Counts by minute under clocks that go on, jump and are put back.

import assert from "node:assert/strict";
import { HOUR, MinuteCounts } from "../../lib/observe/minute_counts.ts";

Deno.test("what is older than an hour is not counted", () => {
  const counts = new MinuteCounts();
  for (let minute = 1000; minute < 1200; minute++) counts.add(minute);
  assert.equal(counts.sum(1199, HOUR), 60);
  assert.equal(counts.sum(1199, 5), 5);
  assert.equal(counts.sum(1229, HOUR), 30);
});

Deno.test("a clock that was a day ahead for a while leaves nothing behind", () => {
  const counts = new MinuteCounts();
  counts.add(1000);
  counts.add(1000 + 24 * 60);
  for (let minute = 1001; minute < 1001 + 10 * 60; minute++) {
    counts.add(minute);
    assert.equal(counts.sum(minute, HOUR), Math.min(minute - 1000, HOUR));
  }
});

Deno.test("one that is put back by a moment at the turn of a minute keeps the hour", () => {
  const counts = new MinuteCounts();
  for (let minute = 1000; minute < 1060; minute++) counts.add(minute, 10);
  counts.add(1060);
  counts.add(1059);
  counts.add(1060);
  assert.equal(counts.sum(1060, HOUR), 59 * 10 + 2);
});

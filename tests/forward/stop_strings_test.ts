// A stop string that begins before the seam of two streams and ends behind it.

import assert from "node:assert/strict";
import { StopStrings } from "../../lib/forward/resume/stop_strings.ts";
import { Random } from "../fuzz/random.ts";

/** The same, by a plain search in all that came: the first of the list that is met. */
function searched(stops: string[], before: string, behind: string, includes: boolean) {
  for (const stop of stops) {
    for (let at = 0; at < before.length; at++) {
      if (!(before + behind).startsWith(stop, at) || at + stop.length <= before.length) continue;
      return (includes ? at + stop.length : at) - before.length;
    }
  }
  return null;
}

Deno.test("a stop string across the seam is found as by a search of the whole text", () => {
  const random = new Random(7, 0);
  const text = (longest: number) =>
    Array.from({ length: random.below(longest) }, () => random.pick(["a", "a", "b"])).join("");
  let found = 0;
  for (let round = 0; round < 20_000; round++) {
    const stops = [text(8), text(8)].filter((stop) => stop !== "");
    const before = text(10);
    // What has stopped before the seam never gets here.
    if (stops.some((stop) => before.includes(stop))) continue;
    const behind = text(10);
    const includes = random.below(2) === 1;
    const got = new StopStrings(stops, before, includes).take(behind);
    const want = searched(stops, before, behind, includes);
    assert.equal(got?.length ?? null, want, JSON.stringify({ stops, before, behind, includes }));
    if (want !== null) found++;
  }
  assert.ok(found > 500, `${found} found`);
});

Deno.test("of two stop strings that end with one token the first of the list counts, else the first met", () => {
  const ofList = (stops: string[]) => new StopStrings(stops, "still us", false);
  assert.deepEqual(ofList(["used", "us"]).take("ed down"), { length: -2, stop: "used" });
  assert.deepEqual(ofList(["sed d", "used"]).take("ed down"), { length: -1, stop: "sed d" });
  assert.deepEqual(ofList(["sed d", "used"]).take("ed"), { length: -2, stop: "used" });
});

Deno.test("text that a stop string does not agree with is not held back for it", () => {
  assert.ok(new StopStrings(["###"], "Hello", false).isPast);
  const stops = new StopStrings(["lo, world"], "Hello", false);
  assert.ok(!stops.isPast);
  assert.equal(stops.take(", w"), null);
  assert.ok(!stops.isPast);
  assert.equal(stops.take("ide"), null);
  assert.ok(stops.isPast);
});

Deno.test("a stop string of megabytes costs no more than the text", () => {
  const stop = "ab".repeat(1 << 20);
  const stops = new StopStrings([stop, `${stop}c`], "ab".repeat(1000), false);
  const begun = performance.now();
  for (let token = 0; token < 20_000; token++) assert.equal(stops.take("abab"), null);
  assert.ok(!stops.isPast);
  // A search of all that came, for each token, took minutes.
  assert.ok(performance.now() - begun < 5000);
});

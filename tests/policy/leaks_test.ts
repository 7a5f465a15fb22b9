// Word lists in two languages over generated texts, cut at random: `deno task fuzz:policies` in small.

import assert from "node:assert/strict";
import { runCases } from "../fuzz/policies/cases.ts";

Deno.test("41, 46, 51, 52: over generated texts nothing leaks, nothing is held for nothing, and a stream is as its body", () => {
  const counts = runCases(7, { phraseCount: 2000, count: 600 });
  assert.equal(counts.first, null);
  assert.equal(counts.leaks + counts.falseHolds + counts.differences, 0);
  assert.ok(counts.found > 200, `${counts.found} of ${counts.texts} had something in them`);
});

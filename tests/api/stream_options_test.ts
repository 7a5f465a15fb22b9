// What a client wants of its stream, in all forms that vLLM takes.

import assert from "node:assert/strict";
import { streamOptionsIn, wantsUsage, wantsUsageWithEach } from "../../lib/api/stream_options.ts";

function optionsOf(text: string) {
  const body = new TextEncoder().encode(`{"stream_options":${text},"model":"m"}`);
  const start = body.indexOf(58) + 1;
  return streamOptionsIn(body, { start, end: start + new TextEncoder().encode(text).length });
}

Deno.test("usage is wanted by true and by every word for it", () => {
  for (const wish of ["true", '"true"', '"True"', '"on"', '"1"', "1"]) {
    assert.ok(wantsUsage(optionsOf(`{"include_usage": ${wish}}`)), wish);
    assert.ok(
      wantsUsageWithEach(optionsOf(`{"include_usage":1,"continuous_usage_stats":${wish}}`)),
      wish,
    );
    assert.ok(!wantsUsageWithEach(optionsOf(`{"continuous_usage_stats":${wish}}`)), "alone");
  }
  for (const wish of ["false", "null", "0", '"no"', "[true]", '"include_usage"']) {
    assert.ok(!wantsUsage(optionsOf(`{"include_usage":${wish}}`)), wish);
  }
  assert.ok(wantsUsage(optionsOf('{"include\\u005fusage":true}')), "an escaped name");
  assert.ok(!wantsUsage(optionsOf('{"note":"\\"include_usage\\":true"}')), "a text about it");
});

Deno.test("what are no options is the instance's to refuse", () => {
  assert.deepEqual(optionsOf("null"), {});
  for (const odd of ["[]", "true", '"x"', "{", `{"x":"${"x".repeat(5000)}"}`]) {
    assert.equal(optionsOf(odd), null, odd.slice(0, 20));
    assert.ok(!wantsUsage(optionsOf(odd)));
  }
});

// A look at what changed since the event before finds what a look at the whole event finds.

import assert from "node:assert/strict";
import { CLOSELY, inspect, inspectChange, PLAIN } from "../../lib/sse/scan.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { Random } from "../fuzz/random.ts";

const encoder = new TextEncoder();

const chunk = (text: string, more = '"finish_reason":null', tail = "") =>
  `data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"${text}"},${more}}]${tail}}\n\n`;

function change(before: string, after: string): { flags: number; whole: number; usual: boolean } {
  const store = new EventStore(1 << 20);
  const first = encoder.encode(before);
  const second = encoder.encode(after);
  store.push(first, 0, first.length);
  store.compare(second, 0, second.length);
  return {
    flags: inspectChange(second, 0, second.length, store.prefix, store.suffix),
    whole: inspect(second, 0, second.length),
    usual: inspect(first, 0, first.length) === PLAIN,
  };
}

Deno.test("a change that makes, ends or fills a key is seen", () => {
  const usual = chunk("a");
  const changed = [
    chunk("a", '"finish_reason":"stop"'),
    chunk("a", '"finish_reason" : "stop"'),
    chunk("a", '"finish_reason":null', ',"usage":{"prompt_tokens":1}'),
    chunk("a", '"finish_reason":null', ',"error":{"message":"m"}'),
    chunk('a","role":"assistant'),
    chunk("a", '"finish_reason":"abort"'),
    chunk("").replace('"content":""', '"role":"assistant","content":""'),
    usual.replace("}]}", "}]"),
    "data: [DONE]\n\n",
    ": comment that is longer than forty characters, to be sure\n\n",
  ];
  for (const after of changed) {
    const { flags, whole, usual: first } = change(usual, after);
    assert.ok(first);
    assert.equal(flags, whole, after);
    assert.notEqual(whole, PLAIN, after);
  }
  // The key stood there before, and only its value is new.
  const [before, after] = ['"finish_reason":  nil', '"finish_reason":  "length"'];
  assert.equal(change(chunk("a", before), chunk("a", after)).flags & CLOSELY, CLOSELY);
  assert.equal(
    change(chunk("a", '"finish_reasom":1'), chunk("a", '"finish_reason":1')).flags & CLOSELY,
    CLOSELY,
  );
});

Deno.test("fifty thousand random changes are seen as in the whole event", () => {
  const parts = ['"', "\\", ":", " ", "\t", "{", "}", ",", "null", "n", "\n", "é", "a"]
    .concat('"finish_reason"', '"error"', '"usage"', '"role"', "finish_reason", "usage");
  let seen = 0;
  for (let index = 0; index < 50_000; index++) {
    const random = new Random(7, index);
    const value = () => random.pick(["null", '"stop"', "{}", " null", ':"abort"', "n"]);
    const tail = random.once(3) ? `,${random.pick(parts)}:${value()}` : "";
    const before = chunk(random.pick(parts), `"finish_reason":${value()}`, tail);
    let after = before;
    for (let edits = 1 + random.below(3); edits > 0; edits--) {
      const at = random.below(after.length);
      const cut = random.once(2) ? 0 : random.below(20);
      after = after.slice(0, at) + random.pick(parts) + after.slice(at + cut);
    }
    const { flags, whole, usual } = change(before, after);
    if (!usual) continue;
    seen++;
    assert.equal(flags, whole, `${before}${after}`);
  }
  assert.ok(seen > 10_000, `${seen} of them follow a usual event`);
});

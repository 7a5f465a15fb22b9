// JSON that is too large to be built, read in outline.

import assert from "node:assert/strict";
import { shallowJson } from "../../lib/sse/shallow.ts";
import { cpuMsOf } from "../support/cpu.ts";

const read = (text: string) => shallowJson(new TextEncoder().encode(text));
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

Deno.test("what is small is read as it is", () => {
  const values = [{}, [], null, true, -1.5e3, "", 'a"\\/\n', { a: { b: [1, { c: null }] } }];
  for (const value of values) {
    assert.deepEqual(plain(read(JSON.stringify(value))), value);
    assert.deepEqual(plain(read(` ${JSON.stringify(value, null, 1)}\r\n`)), value);
  }
});

Deno.test("long texts are cut, deep values left out and long lists shortened", () => {
  const value = {
    text: "x".repeat(1000),
    deep: [[[[[[["a"]]]]]]],
    list: Array(1000).fill(1),
    end: 1,
  };
  const got = plain(read(JSON.stringify(value)));
  assert.equal(got.text, "x".repeat(255));
  assert.deepEqual(got.deep, [[[[[[null]]]]]]);
  assert.equal(got.list.length, 64);
  assert.equal(got.end, 1);
});

Deno.test("what is no JSON is undefined", () => {
  for (
    const text of ["", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,}', "[1,", '"a', "nul", "1 2", "{}x"]
  ) {
    assert.equal(read(text), undefined, text);
  }
});

Deno.test("sixteen million bytes of any kind are read in one pass", () => {
  const size = 16 << 20;
  const texts = [
    `{"a":"${"x".repeat(size)}"}`,
    `[${"1,".repeat(size / 2)}1]`,
    "[".repeat(size / 2) + "]".repeat(size / 2),
    `{${'"a":1,'.repeat(size / 6)}"b":2}`,
    `["${'\\"'.repeat(size / 2)}"]`,
  ];
  for (const text of texts) {
    // Building the second or the fourth takes many times as much.
    const seconds = cpuMsOf(() => assert.notEqual(read(text), undefined)) / 1000;
    assert.ok(seconds < 4, `${text.slice(0, 10)} took ${seconds} s`);
  }
});

// The form of keys.

import assert from "node:assert/strict";
import { formOf, hashOfKey, newKey, struck } from "../../lib/caller/key.ts";

Deno.test("a key is told from one that was mistyped or cut short, without a look at any list", () => {
  const keys = Array.from({ length: 100 }, () => newKey());
  assert.equal(new Set(keys).size, keys.length);
  for (const key of keys) {
    assert.match(key, /^sk-sag-[a-z0-9]{8}-[A-Za-z0-9_-]{43}[a-z0-9]{4}$/);
    assert.equal(formOf(key), "made");
    assert.equal(formOf(key.slice(0, -1)), "mistyped");
    const other = key[20] === "a" ? "b" : "a";
    assert.equal(formOf(key.slice(0, 20) + other + key.slice(21)), "mistyped");
  }
  assert.equal(formOf("a key of somebody's own"), "own");
});

Deno.test("a key is shown by its first characters only", () => {
  const key = newKey();
  assert.equal(struck(key), `${key.slice(0, 11)}****`);
  assert.equal(struck("abcdefghijklmnop"), "abcd****");
  assert.equal(struck("abc"), "****");
  assert.equal(struck(""), "****");
  assert.match(hashOfKey(key), /^[0-9a-f]{64}$/);
});

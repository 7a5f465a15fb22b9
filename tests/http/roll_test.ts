// Who is there of many that come and go, against a Set that says the same.

import assert from "node:assert/strict";
import { Roll } from "../../lib/http/roll.ts";

Deno.test("a roll holds who came and did not go, whatever the order", () => {
  const roll = new Roll<{ place: number }>();
  const there = new Set<{ place: number }>();
  const all = Array.from({ length: 50 }, () => ({ place: -1 }));
  // Steps through all in an order that repeats late.
  for (let step = 0, at = 7; step < 5000; step++, at = (at * 31 + step) % all.length) {
    const one = all[at];
    if (there.delete(one)) roll.remove(one);
    else {
      there.add(one);
      roll.add(one);
    }
    assert.equal(roll.size, there.size);
    if (step % 100 === 0) assert.deepEqual(new Set(roll.all), there);
    for (const each of all) assert.equal(each.place >= 0, there.has(each));
  }
});

Deno.test("whoever comes twice or goes twice is there once, or not", () => {
  const roll = new Roll<{ place: number }>();
  const [one, other] = [{ place: -1 }, { place: -1 }];
  roll.add(one);
  roll.add(other);
  roll.add(one);
  assert.deepEqual(roll.all, [one, other]);
  roll.remove(one);
  roll.remove(one);
  assert.deepEqual(roll.all, [other]);
});

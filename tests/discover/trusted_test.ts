// Which answers of a discovery count, on a clock that the test holds.

import assert from "node:assert/strict";
import { MAX_TARGETS, type Target } from "../../lib/discover/target.ts";
import { Trusted } from "../../lib/discover/trusted.ts";

const at = (...ports: number[]): Target[] => ports.map((port) => ({ host: "10.0.0.1", port }));
const ports = (trusted: Trusted) => trusted.targets.map(({ port }) => port);

Deno.test("the order of an answer and the repetition of a target are no change", () => {
  const trusted = new Trusted(() => 0);
  const rules = { keepEmptyS: 60, misses: 1 };
  assert.equal(trusted.take(at(1, 2, 3), rules), true);
  assert.equal(trusted.take(at(3, 1, 2, 1), rules), false);
  assert.deepEqual(ports(trusted), [1, 2, 3]);
});

Deno.test("an answer without targets counts when its time has passed without another one", () => {
  let now = 0;
  const trusted = new Trusted(() => now);
  const rules = { keepEmptyS: 60, misses: 1 };
  trusted.take(at(1), rules);
  assert.equal(trusted.take([], rules), false);
  now = 59_000;
  assert.equal(trusted.recheck(rules), false);
  trusted.take(at(1), rules);
  now = 61_000;
  assert.equal(trusted.recheck(rules), false);
  assert.equal(trusted.take([], rules), false);
  assert.equal(trusted.emptyAt(rules), 121_000);
  now = 121_000;
  assert.equal(trusted.recheck(rules), true);
  assert.deepEqual(ports(trusted), []);
});

Deno.test("an answer without targets waits anew once nobody could say any more", () => {
  let now = 0;
  const trusted = new Trusted(() => now);
  const rules = { keepEmptyS: 60, misses: 1 };
  trusted.take(at(1), rules);
  trusted.take([], rules);
  trusted.doubt();
  now = 61_000;
  assert.equal(trusted.recheck(rules), false);
  assert.equal(trusted.take([], rules), false);
  assert.equal(trusted.emptyAt(rules), 121_000);
  assert.deepEqual(ports(trusted), [1]);
});

Deno.test("nothing found at first is an answer at once", () => {
  const trusted = new Trusted(() => 0);
  assert.equal(trusted.take([], { keepEmptyS: 60, misses: 1 }), false);
  assert.equal(trusted.emptyAt({ keepEmptyS: 60, misses: 1 }), null);
});

Deno.test("with three misses a target goes at the third answer in a row without it", () => {
  const trusted = new Trusted(() => 0);
  const rules = { keepEmptyS: 60, misses: 3 };
  trusted.take(at(1, 2), rules);
  assert.equal(trusted.take(at(1), rules), false);
  assert.equal(trusted.take(at(1), rules), false);
  assert.equal(trusted.take(at(1, 2), rules), false);
  assert.equal(trusted.take(at(1), rules), false);
  assert.equal(trusted.take(at(1), rules), false);
  assert.equal(trusted.take(at(1), rules), true);
  assert.deepEqual(ports(trusted), [1]);
});

Deno.test("a target whose weight changed takes the place of what it was", () => {
  const trusted = new Trusted(() => 0);
  const rules = { keepEmptyS: 60, misses: 3 };
  trusted.take(at(1), rules);
  assert.equal(trusted.take([{ ...at(1)[0], share: 2 }], rules), true);
  assert.deepEqual(trusted.targets, [{ ...at(1)[0], share: 2 }]);
});

Deno.test("no more targets are taken than there is room for", () => {
  const trusted = new Trusted(() => 0);
  trusted.take(at(...Array.from({ length: 1000 }, (_, i) => i + 1)), { keepEmptyS: 1, misses: 1 });
  assert.equal(trusted.targets.length, MAX_TARGETS);
});

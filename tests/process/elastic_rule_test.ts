import assert from "node:assert/strict";
import {
  type Change,
  ElasticRule,
  type ElasticRules,
} from "../../lib/process/workers/elastic_rule.ts";

const RULES: ElasticRules = { most: 4, busy: 0.7, afterS: 3, calmS: 60 };

/** Looks every second from `from` to `to`; what was to be done, and when. */
function looks(
  rule: ElasticRule,
  [from, to]: [number, number],
  shares: readonly number[],
  rules = RULES,
): [number, Change][] {
  const found: [number, Change][] = [];
  for (let second = from; second <= to; second++) {
    const change = rule.look(second * 1000, shares, rules);
    if (change !== null) found.push([second, change]);
  }
  return found;
}

Deno.test("one is added after three seconds above 70 %, not for less", () => {
  assert.deepEqual(looks(new ElasticRule(), [0, 2], [0.95]), []);
  assert.deepEqual(looks(new ElasticRule(), [0, 3], [0.95]), [[3, "add"]]);
  assert.deepEqual(looks(new ElasticRule(), [0, 30], [0.69]), []);
});

Deno.test("a pause begins it anew, on the way up and on the way down", () => {
  const up = new ElasticRule();
  for (let round = 0; round < 5; round++) {
    assert.deepEqual(looks(up, [round * 3, round * 3 + 1], [1]), []);
    assert.deepEqual(looks(up, [round * 3 + 2, round * 3 + 2], [0.3]), []);
  }
  const down = new ElasticRule();
  assert.deepEqual(looks(down, [0, 59], [0.1, 0.1]), []);
  assert.deepEqual(looks(down, [60, 60], [0.9, 0.9]), []);
  assert.deepEqual(looks(down, [61, 120], [0.1, 0.1]), []);
  assert.deepEqual(looks(down, [121, 121], [0.1, 0.1]), [[121, "take_away"]]);
});

Deno.test("all of them together count: old streams on one are no reason for a third", () => {
  assert.deepEqual(looks(new ElasticRule(), [0, 30], [1, 0.2]), []);
  assert.deepEqual(looks(new ElasticRule(), [0, 3], [1, 0.5]), [[3, "add"]]);
});

Deno.test("after each change the next one takes its time again", () => {
  const rule = new ElasticRule();
  assert.deepEqual(looks(rule, [0, 3], [1]), [[3, "add"]]);
  assert.deepEqual(looks(rule, [4, 7], [1, 1]), [[7, "add"]]);
  assert.deepEqual(looks(rule, [8, 11], [1, 1, 1]), [[11, "add"]]);
  assert.deepEqual(looks(rule, [12, 90], [1, 1, 1, 1]), []);
});

Deno.test("one is taken away where the others have room, and comes back for nothing less than was needed", () => {
  // Two at 30 % would be one at 60 %: too near to what adds the second.
  assert.deepEqual(looks(new ElasticRule(), [0, 200], [0.3, 0.3]), []);
  assert.deepEqual(looks(new ElasticRule(), [0, 60], [0.2, 0.2]), [[60, "take_away"]]);
  const alone = new ElasticRule();
  assert.deepEqual(looks(alone, [0, 200], [0.4]), []);
  assert.deepEqual(looks(alone, [201, 400], [0]), [], "the last one stays");
});

Deno.test("with no more than one allowed none is added; those above the most are taken away", () => {
  assert.deepEqual(looks(new ElasticRule(), [0, 100], [1], { ...RULES, most: 1 }), []);
  const rule = new ElasticRule();
  assert.deepEqual(looks(rule, [0, 60], [1, 1, 1], { ...RULES, most: 2 }), [[60, "take_away"]]);
  assert.deepEqual(looks(rule, [61, 200], [1, 1], { ...RULES, most: 2 }), []);
});

Deno.test("looks that come late count by the clock, not by their number", () => {
  const rule = new ElasticRule();
  assert.equal(rule.look(0, [1], RULES), null);
  assert.equal(rule.look(2999, [1], RULES), null);
  assert.equal(rule.look(9000, [1], RULES), "add");
});

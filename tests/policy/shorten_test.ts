// Tests which turns go when a conversation is too long.

import assert from "node:assert/strict";
import { elementsToDrop, steadyRatio, tokensToDrop } from "../../lib/policy/prompt/shorten.ts";
import { stepsOf, turnsOf } from "../../lib/policy/prompt/turns.ts";

const RULES = { limit: 1000, downTo: 0.75, keepLastTurn: true };
const user = { role: "user", content: "q" };
const said = { role: "assistant", content: "a" };
const call = { role: "assistant", tool_calls: [{ id: "1" }] };
const result = { role: "tool", tool_call_id: "1", content: "r" };
const system = { role: "system", content: "s" };

Deno.test("35: a turn is a question with all that followed it, tool calls and results in one piece", () => {
  const { system: kept, turns } = turnsOf([system, user, call, result, said, user, said]);
  assert.deepEqual(kept, [0]);
  assert.deepEqual(turns.map(({ items }) => items), [[1, 2, 3, 4], [5, 6]]);
  const anthropic = [
    user,
    { role: "assistant", content: [{ type: "tool_use", id: "1" }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "1" }] },
    said,
    user,
  ];
  assert.deepEqual(turnsOf(anthropic).turns.map(({ items }) => items), [[0, 1, 2, 3], [4]]);
  const items = [
    user,
    { type: "reasoning" },
    { type: "function_call" },
    {
      type: "function_call_output",
    },
    said,
    user,
  ];
  assert.deepEqual(turnsOf(items).turns.map(({ items }) => items), [[0, 1, 2, 3, 4], [5]]);
});

Deno.test("35: the oldest turns go, never the system's words, the last turn, or everything", () => {
  const items = [system, user, said, user, call, result, said, user];
  const sizes = items.map(() => 100);
  assert.deepEqual(elementsToDrop(items, sizes, 150, RULES), [1, 2]);
  assert.deepEqual(elementsToDrop(items, sizes, 250, RULES), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(elementsToDrop(items, sizes, 1e9, RULES), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(elementsToDrop([user], [1e6], 1e9, RULES), []);
  assert.deepEqual(elementsToDrop([], [], 1, RULES), []);
});

Deno.test("35: where the last turn may be cut, its oldest calls go with their results", () => {
  const items = [user, call, result, call, result, said];
  assert.deepEqual(stepsOf(items, { items: [0, 1, 2, 3, 4, 5] }).map(({ items }) => items), [
    [1, 2],
    [3, 4],
    [5],
  ]);
  const rules = { ...RULES, keepLastTurn: false };
  assert.deepEqual(elementsToDrop(items, items.map(() => 100), 1, rules), [1, 2]);
  assert.deepEqual(elementsToDrop(items, items.map(() => 100), 1e9, rules), [1, 2, 3, 4]);
});

Deno.test("35: a conversation that grows keeps the same beginning for many turns", () => {
  const items: unknown[] = [system];
  const begins: number[] = [];
  for (let turn = 0; turn < 200; turn++) {
    items.push(user, said);
    const sizes = items.map(() => 10);
    const total = items.length * 10;
    const gone = elementsToDrop(items, sizes, tokensToDrop(total, RULES), RULES);
    assert.ok(total - gone.length * 10 <= RULES.limit);
    if (total > RULES.limit) {
      assert.ok(total - gone.length * 10 >= RULES.limit * 0.75 - 40);
      begins.push(gone.length);
    }
  }
  const changes = begins.filter((begin, at) => at > 0 && begin !== begins[at - 1]).length;
  assert.ok(begins.length > 140);
  // Each step of 250 tokens lasts for twelve turns of 20.
  assert.ok(changes <= Math.ceil(begins.length / 12), `${changes} of ${begins.length}`);
});

Deno.test("a learned ratio that moves by little stays on its step of the grid", () => {
  assert.equal(steadyRatio(0.3), steadyRatio(0.302));
  assert.ok(Math.abs(steadyRatio(0.3) / 0.3 - 1) < 0.03);
  assert.notEqual(steadyRatio(0.3), steadyRatio(0.35));
});

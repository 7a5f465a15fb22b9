// The automaton of word lists: the same whatever the lists, and made without holding others up.

import assert from "node:assert/strict";
import { phrases } from "../fuzz/policies/generate.ts";
import { Random } from "../fuzz/random.ts";
import { NONE } from "../../lib/policy/text/automaton.ts";
import { automatonInSteps, automatonOf } from "../../lib/policy/text/automaton_build.ts";
import { alphabet } from "./filtered.ts";

/** Where phrases end in `text`, with the owners of each, by the automaton. */
function found(lists: { phrases: string[]; owner: number; holds: boolean }[], text: string) {
  const automaton = automatonOf(lists, alphabet);
  const { ends, shorter, set, depth } = automaton.states;
  const all: string[] = [];
  let state = 0;
  for (let at = 0; at < text.length; at++) {
    const symbol = automaton.symbols[text.charCodeAt(at)];
    state = symbol === NONE ? 0 : automaton.step(state, symbol);
    for (let ending = ends[state]; ending !== 0; ending = shorter[ending]) {
      for (const owner of automaton.owners[set[ending]]) {
        all.push(`${at + 1 - depth[ending]}-${at + 1} ${owner}`);
      }
    }
  }
  return all.sort();
}

Deno.test("every phrase of every list is found at every place, with rows and without", () => {
  const random = new Random(5, 0);
  const list = phrases(3000, random);
  // So many letters that only few states have a row.
  const odd = Array.from(
    { length: 30_000 },
    (_, at) => String.fromCharCode(0x4e00 + at % 20_000) + at,
  );
  for (const more of [[], odd.map((one) => alphabet.plain(one))]) {
    const lists = [
      { phrases: list.slice(0, 2000), owner: 0, holds: true },
      { phrases: [...list.slice(1500), ...more], owner: 1, holds: false },
    ];
    for (let round = 0; round < 40; round++) {
      const text = Array.from({ length: 8 }, () => random.pick(list)).join("");
      const expected: string[] = [];
      for (const { phrases: own, owner } of lists) {
        for (const phrase of new Set(own)) {
          for (let at = text.indexOf(phrase); at >= 0; at = text.indexOf(phrase, at + 1)) {
            expected.push(`${at}-${at + phrase.length} ${owner}`);
          }
        }
      }
      assert.deepEqual(found(lists, text), expected.sort());
      if (more.length > 0 && round > 1) break;
    }
  }
});

Deno.test("57: a list of 100,000 lines is made in many short steps", () => {
  const random = new Random(6, 0);
  const list = phrases(100_000, random);
  const steps = automatonInSteps([{ phrases: list, owner: 0, holds: true }], alphabet);
  let count = 1;
  while (!steps.next().done) count++;
  // No more than some thousands of phrases or states in one of them: counted, since times are a machine's.
  assert.ok(count > 200, `${count} steps`);
});

// Texts read by word lists in whatever pieces: what is shown is the same for every cut.

import assert from "node:assert/strict";
import { Alphabet } from "../../lib/policy/text/alphabet.ts";
import { automatonOf } from "../../lib/policy/text/automaton_build.ts";
import { edited } from "../../lib/policy/text/edits.ts";
import { readWhole } from "../../lib/policy/text/read_whole.ts";
import { Reading } from "../../lib/policy/text/reading.ts";
import type { RuleAction, TextRule, TextRules } from "../../lib/policy/text/rules.ts";

const alphabet = new Alphabet();

function rulesOf(action: RuleAction, phrases: string[], more: Partial<TextRule> = {}): TextRules {
  const rule: TextRule = {
    name: "words",
    mode: "enforce",
    action,
    said: action,
    wholeWords: false,
    replacement: () => "[gone]",
    ...more,
  };
  const lists = [{ phrases, owner: 0, holds: action !== "flag" && rule.mode === "enforce" }];
  return { rules: [rule], automaton: automatonOf(lists, alphabet), runs: [] };
}

/** What is shown of a text in these pieces, and the most that was held back. */
function shownOf(rules: TextRules, pieces: string[], isJson = false) {
  const reading = new Reading(rules, isJson, () => {});
  let shown = "";
  let at = 0;
  let text = "";
  let held = 0;
  const show = () => {
    const until = reading.cutAt >= 0 ? Math.min(reading.cutAt, reading.settled) : reading.settled;
    if (until > at) shown += edited(text.slice(at, until), at, until, reading.edits);
    at = Math.max(at, until);
    reading.shown(at);
    held = Math.max(held, text.length - at);
  };
  for (const piece of pieces) {
    text += piece;
    reading.take(piece);
    show();
  }
  reading.end();
  show();
  return { shown, held: reading.cutAt >= 0 ? 0 : held, cut: reading.cutAt >= 0 };
}

function* cutsOf(text: string): Generator<string[]> {
  for (let mask = 0; mask < 1 << (text.length - 1); mask++) {
    const pieces: string[] = [];
    let from = 0;
    for (let i = 1; i < text.length; i++) {
      if (mask & (1 << (i - 1))) pieces.push(text.slice(from, from = i));
    }
    yield [...pieces, text.slice(from)];
  }
}

const PHRASES = ["secret", "crete", "赌场", "场之会", "ab", "abcab", "b", "😀x", "😀"];
const TEXTS = [
  "a secrete b",
  "x賭場之会y",
  "abcabcab",
  "z😀x😀",
  "ＳＥ\u200bcret",
  "abcaab",
  "赌赌场场",
];

for (const action of ["cut", "mask", "replace"] as const) {
  Deno.test(`31-62/41,51: ${action} is the same for every way of cutting a text`, () => {
    const rules = rulesOf(action, PHRASES);
    for (const text of TEXTS) {
      const whole = readWhole(rules, text, false, () => {}).text;
      for (const pieces of cutsOf(text)) {
        assert.equal(shownOf(rules, pieces).shown, whole, JSON.stringify(pieces));
      }
    }
  });
}

Deno.test("43: phrases are found behind the escapes of arguments, wherever those are cut", () => {
  const rules = rulesOf("mask", ["赌场", "a\nb", '"q"']);
  for (
    const [text, expected] of [
      ["\\u8d4c\\u573a", "**"],
      ["x\\u8d4c场y", "x**y"],
      ["za\\nbz", "z***z"],
      ['\\"q\\"', "***"],
    ]
  ) {
    assert.equal(readWhole(rules, text, true, () => {}).text, expected);
    for (const pieces of cutsOf(text)) assert.equal(shownOf(rules, pieces, true).shown, expected);
  }
});

Deno.test("text that cannot begin a phrase is never held", () => {
  const rules = rulesOf("mask", ["secret"]);
  assert.equal(shownOf(rules, [..."plain seats are not it"]).held, 2, "se");
  assert.equal(shownOf(rules, [..."xyz"]).held, 0);
});

Deno.test("51: matches that overlap are masked as one", () => {
  const rules = rulesOf("mask", ["secret", "crete"]);
  assert.equal(readWhole(rules, "a secrete b", false, () => {}).text, "a ******* b");
});

Deno.test("56: what only watches holds nothing back and changes nothing", () => {
  const hits: string[] = [];
  const rules = rulesOf("cut", ["secret"], { mode: "audit" });
  assert.equal(shownOf(rules, [..."a secret b"]).held, 0);
  assert.equal(shownOf(rules, [..."\\u0073\\necret"], true).held, 0, "no escape either");
  assert.equal(readWhole(rules, "a secret", false, ({ name }) => hits.push(name)).text, "a secret");
  assert.deepEqual(hits, ["words"]);
});

Deno.test("whole words are found where no letter stands beside them", () => {
  const rules = rulesOf("mask", ["ass"], { wholeWords: true });
  for (
    const [text, expected] of [
      ["class ass", "class ***"],
      ["ass", "***"],
      ["assume", "assume"],
      ["an ass, an ass1", "an ***, an ass1"],
    ]
  ) {
    for (const pieces of [[text], [...text]]) {
      assert.equal(shownOf(rules, pieces).shown, expected);
    }
  }
});

// What is said of the fleet in sentences: lib/dashboard/outlook.ts by itself.

import assert from "node:assert/strict";
import { join } from "node:path";
import { outlookOf, type Situation } from "../../lib/dashboard/outlook.ts";
import type { Felt } from "../../lib/observe/felt.ts";

const QUIET: Felt = {
  minutes: 5,
  requests: 0,
  failed: 0,
  lost: 0,
  refused: 0,
  passed_on: 0,
  resumed: 0,
  by_fallback: 0,
  waited: 0,
  last_lost: null,
};

function instance(name: string, state = "healthy", more = {}) {
  return { name, state, fallback: false, drained: false, ...more };
}

/** Where nothing else is said of them, the last minute was like the last few. */
function look(more: Partial<Situation> = {}) {
  return outlookOf({
    justNow: more.lately ?? QUIET,
    instances: [instance("a"), instance("b")],
    models: [{ name: "demo", available: 2 }],
    waiting: 0,
    lately: { ...QUIET, requests: 10 },
    lastHour: { ...QUIET, minutes: 60, requests: 100 },
    refused: null,
    isServing: ({ state }) => state === "healthy",
    ...more,
  });
}

Deno.test("a whole fleet is said to be one, and nothing is to be done", () => {
  const { strength, clients, last_hour, todo } = look();
  assert.deepEqual([strength.words, strength.level], ["strength_whole", "good"]);
  assert.equal(clients.words, "feel_good");
  assert.equal(last_hour, null);
  assert.deepEqual(todo, []);
});

Deno.test("half a fleet is not said to be most of one", () => {
  const four = (out: number) =>
    look({ instances: [0, 1, 2, 3].map((at) => instance(`${at}`, at < out ? "down" : "healthy")) });
  assert.equal(four(1).strength.words, "strength_most");
  assert.deepEqual(four(2).strength, {
    words: "strength_half",
    level: "bad",
    values: { serving: 2, all: 4 },
  });
  assert.equal(four(3).strength.words, "strength_half");
  assert.equal(four(4).strength.words, "strength_none");
  assert.equal(four(4).clients.words, "feel_nothing");
});

Deno.test("where only fallbacks serve, that is said, and what it may cost", () => {
  const { strength, clients, todo } = look({
    instances: [instance("a", "hung"), instance("paid", "healthy", { fallback: true })],
    lately: { ...QUIET, requests: 10, by_fallback: 4 },
  });
  assert.equal(strength.words, "strength_fallback");
  assert.equal(clients.words, "feel_good");
  assert.deepEqual(todo.map(({ words, instance }) => [words, instance]), [
    ["todo_hung", "a"],
    ["todo_fallback", ""],
  ]);
  const over = look({ lately: { ...QUIET, requests: 10, by_fallback: 4 }, justNow: QUIET });
  assert.deepEqual(over.todo, []);
});

Deno.test("the worst that clients feel is what is said", () => {
  const felt = { ...QUIET, requests: 10, lost: 2, refused: 3, passed_on: 1, failed: 5 };
  assert.equal(look({ lately: felt }).clients.words, "feel_lost");
  assert.equal(look({ lately: { ...felt, lost: 0 } }).clients.words, "feel_rescued");
  assert.equal(look({ lately: { ...felt, lost: 0, passed_on: 0 } }).clients.words, "feel_refused");
  assert.equal(look({ lately: QUIET }).clients.words, "feel_quiet");
  assert.equal(look({ waiting: 3 }).clients.words, "feel_waiting");
  const none = look({ models: [{ name: "demo", available: 2 }, { name: "big", available: 0 }] });
  assert.deepEqual([none.clients.words, none.clients.values.models], ["feel_model", "big"]);
  const before = look({ lately: { ...felt, last_lost: "2026-01-31T12:00:00Z" }, justNow: QUIET });
  assert.deepEqual([before.clients.words, before.clients.level], ["feel_lost_before", "warning"]);
  assert.equal(look({ lastHour: felt }).last_hour?.values.lost, 2);
});

Deno.test("what is most urgent is to be done first, and what was done by hand is no fault", () => {
  const { todo } = look({
    instances: [
      instance("a", "draining", { drained: true }),
      instance("b", "draining"),
      instance("c", "misconfigured"),
      instance("d", "slow_start"),
    ],
    refused: { time: "2026-01-31T12:00:00Z", problems: ["config.jsonc:3:1: no"] },
  });
  assert.deepEqual(todo.map(({ words, level }) => [words, level]), [
    ["todo_refused", "bad"],
    ["todo_misconfigured", "bad"],
    ["todo_drained", "warning"],
    ["todo_weightless", "warning"],
  ]);
});

Deno.test("each sentence has words in both languages, whose blanks are all filled in", async () => {
  const path = join(import.meta.dirname!, "../../lib/dashboard/pages/words.js");
  const { wordsOf } = await import(path);
  const { sentence } = await import(path.replace("words.js", "words_outlook.js"));
  const states = [
    "down",
    "hung",
    "misconfigured",
    "ejected",
    "asleep",
    "shutting_down",
    "draining",
  ];
  const counts = { ...QUIET, requests: 10, refused: 9, by_fallback: 1 };
  const lost = { ...counts, lost: 1, last_lost: "2026-01-31T12:00:00Z" };
  const all = [
    look(),
    look({ instances: [instance("a"), instance("b"), instance("c", "down")] }),
    look({ instances: states.map((state) => instance(state, state)), waiting: 2, lately: counts }),
    look({ instances: [instance("a", "draining", { drained: true }), instance("b")] }),
    look({ lately: QUIET, lastHour: { ...counts, failed: 9 } }),
    look({ lately: counts, models: [{ name: "m", available: 0 }] }),
    look({ lately: counts }),
    look({ lately: { ...counts, lost: 1 } }),
    look({ lately: { ...counts, resumed: 1 } }),
    look({ waiting: 1 }),
    look({ lately: lost, justNow: QUIET, lastHour: lost }),
    look({ refused: { time: "t", problems: ["p"] } }),
    look({ instances: [instance("a", "down"), instance("f", "healthy", { fallback: true })] }),
  ];
  for (const language of ["en", "zh"]) {
    const t = wordsOf(language);
    for (const { strength, clients, last_hour, todo } of all) {
      for (const one of [strength, clients, ...(last_hour === null ? [] : [last_hour]), ...todo]) {
        const text = sentence(t, one, (time: string) => time);
        assert.notEqual(text, one.words, "has words");
        assert.doesNotMatch(text, /[{}]/);
      }
    }
  }
});

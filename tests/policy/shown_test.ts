// What the record has of an answer that policies looked at is what the client got, whether it is kept a
// second time for that or not.

import assert from "node:assert/strict";
import { EventStore } from "../../lib/sse/event_store.ts";
import { SseObserver } from "../../lib/sse/observer.ts";
import { parseEvents } from "../../lib/sse/parse.ts";
import { filterOf, rulesOf } from "./filtered.ts";

const encoder = new TextEncoder();
const mask = rulesOf({ words: ["secret"], action: "mask" });
const said = (content: string, index = 0) =>
  `data: ${
    JSON.stringify({
      id: "a",
      object: "chat.completion.chunk",
      choices: [{ index, delta: { content }, finish_reason: null }],
    })
  }\n\n`;
const end = (index = 0) =>
  `data: ${
    JSON.stringify({
      id: "a",
      object: "chat.completion.chunk",
      choices: [{ index, delta: {}, finish_reason: "stop" }],
    })
  }\n\n`;
const DONE = "data: [DONE]\n\n";

/** An answer on its way through the gateway, in pieces. */
function onItsWay(choices = 1) {
  const store = new EventStore(1 << 20);
  const reader = new SseObserver(true, choices, store);
  const filter = filterOf(mask, "chat", { choices, generated: store });
  const heard: Uint8Array[] = [];
  const take = (text: string) => heard.push(filter.take(reader.take(encoder.encode(text))).slice());
  return {
    store,
    filter,
    take,
    /** What the record has and what the client got, without what says nothing. */
    compare: () =>
      assert.deepEqual(dataOf([filter.shown.bytes()]), dataOf(heard), "record and client"),
    flush: () => heard.push(filter.flush().slice()),
  };
}

function dataOf(pieces: readonly Uint8Array[]): string[] {
  return pieces.flatMap((piece) => [...parseEvents(piece)].map(({ data }) => data))
    .filter((data) => data.startsWith("{") || data === "[DONE]");
}

Deno.test("an answer in which nothing is found is kept once", () => {
  const { store, filter, take, compare } = onItsWay();
  for (const text of ["a", " sec", "ond", " s", "e", "e"]) take(said(text));
  take(`${end()}${DONE}`);
  compare();
  assert.equal(filter.shown, store);
});

Deno.test("what waited when the client left is not what it got", () => {
  const { store, filter, take, compare, flush } = onItsWay();
  for (const text of ["a", "b", " sec"]) take(said(text));
  compare();
  assert.equal(filter.shown.count, 2);
  assert.equal(store.count, 3);
  flush();
  compare();
  assert.equal(filter.shown.count, 3);
});

Deno.test("from the first change on both are kept", () => {
  const { store, filter, take, compare } = onItsWay();
  for (const text of ["a", " sec", "ret", " b", "c"]) take(said(text));
  compare();
  take(`${end()}${DONE}`);
  compare();
  assert.notEqual(filter.shown, store);
  assert.ok(!dataOf([filter.shown.bytes()]).some((data) => data.includes("sec")));
});

Deno.test("what came in another order is kept as it came", () => {
  const { take, compare } = onItsWay(2);
  take(said("a", 0) + said("b", 1));
  take(said(" sec", 0));
  take(said(" c", 1));
  compare();
  take(said("ond", 0) + end(1));
  compare();
  take(`${end(0)}${DONE}`);
  compare();
});

Deno.test("what says nothing and what follows the end moves neither", () => {
  const idle = [
    ": a comment\n\n",
    "data: null\n\n",
    "data:\n\n",
    "data: []\n\n",
    "event: ping\n\n",
  ];
  for (const odd of idle) {
    for (const at of [0, 1, 2, 3, 4]) {
      const { take, compare } = onItsWay();
      const events = [said("a"), said("b"), said(" sec"), end(), DONE];
      for (const [place, event] of events.entries()) take(place === at ? odd + event : event);
      take(odd + said("late"));
      compare();
    }
  }
  for (const last of ["", said("late"), DONE, `${said("late")}${DONE}`]) {
    const { take, compare } = onItsWay();
    take(said("a") + said("b"));
    take(`${end()}${DONE}${last}`);
    take(said("later"));
    compare();
  }
});

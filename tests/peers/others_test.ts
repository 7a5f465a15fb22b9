// Which other gateways count, on a clock that the test holds.

import assert from "node:assert/strict";
import type { Note } from "../../lib/peers/note.ts";
import { MAX_OTHERS, Others } from "../../lib/peers/others.ts";

const figures = {
  ...{ version: "1.0.0", uptime_seconds: 1, in_flight: 0, waiting: 0, requests: 0, errors: 0 },
  ...{ requests_per_second: 0, tokens_per_second: 0 },
};

function noteOf(id: string, number: number, underWay = 1, more: Partial<Note> = {}): Note {
  const loads = [{ address: 5, underWay, unanswered: 1, pending: 100 }];
  return {
    id,
    name: `host of ${id}`,
    number,
    loads,
    sent: [],
    kept: [],
    sessions: [],
    figures,
    isLast: false,
    ...more,
  };
}

Deno.test("what gateways say is summed up, the last word of each, while it is fresh", () => {
  let now = 0;
  const others = new Others("self", () => now);
  others.take(noteOf("a", 1, 2));
  others.take(noteOf("b", 1, 3));
  now = 2000;
  others.take(noteOf("a", 2, 4));
  assert.deepEqual(others.loads().get(5), { address: 5, underWay: 7, unanswered: 2, pending: 200 });
  now = 3500;
  assert.equal(others.age(3), true);
  assert.equal(others.loads().get(5)?.underWay, 4);
  now = 9000;
  others.age(3);
  assert.equal(others.loads().size, 0);
});

Deno.test("old notes, repeated ones and its own are no news", () => {
  const others = new Others("self", () => 0);
  assert.equal(others.take(noteOf("self", 1)), false);
  assert.equal(others.take(noteOf("a", 5)), true);
  assert.equal(others.take(noteOf("a", 5)), false);
  assert.equal(others.take(noteOf("a", 4, 100)), false);
  assert.equal(others.loads().get(5)?.underWay, 1);
});

Deno.test("one that is silent is missed, one that said good-bye or came back under its name is not", () => {
  let now = 0;
  const others = new Others("self", () => now);
  others.take(noteOf("a", 1));
  others.take(noteOf("b", 1));
  others.take(noteOf("b", 2, 1, { isLast: true }));
  assert.equal(others.isMissing(0), false);
  assert.equal(others.isMissing(2), true);
  now = 5000;
  others.age(3);
  assert.equal(others.isMissing(0), true);
  others.take(noteOf("a again", 1, 1, { name: "host of a" }));
  assert.equal(others.isMissing(0), false);
  now = 5000 + 601_000;
  others.age(3);
  assert.equal(others.isMissing(0), false);
});

Deno.test("no more gateways are listened to than there is room for", () => {
  const others = new Others("self", () => 0);
  for (let id = 0; id < MAX_OTHERS; id++) assert.equal(others.take(noteOf(`${id}`, 1)), true);
  assert.equal(others.take(noteOf("one more", 1)), "too_many");
  assert.equal(others.take(noteOf("3", 2)), true);
});

// Notes as they go over the wire, and what else may come there.

import assert from "node:assert/strict";
import {
  decodeNote,
  encodeNote,
  FORM,
  joined,
  MAX_HASH_BYTES,
  MAX_NOTE_BYTES,
  type Note,
} from "../../lib/peers/note.ts";

const figures = {
  ...{ version: "1.0.0", uptime_seconds: 12.5, in_flight: 3, waiting: 0, requests: 7, errors: 1 },
  ...{ requests_per_second: 0.5, tokens_per_second: 90 },
};

function noteOf(more: Partial<Note> = {}): Note {
  return {
    ...{ id: "a", name: "gw-1:9999", number: 4, figures, isLast: false },
    loads: [{ address: 2 ** 52 + 1, underWay: 3, unanswered: 2, pending: 1500.5 }],
    sent: [{ address: 7, hashes: Int32Array.from([1, -2, 2 ** 31 - 1, -(2 ** 31)]) }],
    kept: [{ response: 2 ** 52 + 3, keeper: 7, owner: 0 }],
    sessions: [{ session: 2 ** 52 + 5, address: 7, tokens: 900 }],
    ...more,
  };
}

Deno.test("a note arrives as it was sent", () => {
  for (const note of [noteOf(), noteOf({ loads: [], sent: [], isLast: true })]) {
    assert.deepEqual(decodeNote(encodeNote(note)), note);
  }
});

Deno.test("a gateway that does not tell of sessions is understood", () => {
  const { sessions: _, ...older } = JSON.parse(encodeNote(noteOf()));
  const note = decodeNote(JSON.stringify(older));
  assert.ok(typeof note !== "string");
  assert.deepEqual(note.sessions, []);
});

Deno.test("what is no note is refused with the reason, and never throws", () => {
  const good = JSON.parse(encodeNote(noteOf()));
  const changed = (more: object) => decodeNote(JSON.stringify({ ...good, ...more }));
  assert.equal(decodeNote("x".repeat(MAX_NOTE_BYTES + 1)), "too_long");
  assert.equal(changed({ form: `${FORM}0` }), "form");
  for (const text of ["", "null", "[]", "7", '"x"', "{", encodeNote(noteOf()).slice(0, -5)]) {
    assert.equal(decodeNote(text), "malformed", text);
  }
  const wrong = [
    { id: 7 },
    { name: "" },
    { name: 'x"\n' },
    { name: "x".repeat(1000) },
    { number: -1 },
    { number: 1e300 },
    { loads: null },
    { loads: [[1, 2, 3]] },
    { loads: [[1, 2, 3, -4]] },
    { loads: [[1, 2, 3, "4"]] },
    { loads: Array(2000).fill([1, 2, 3, 4]) },
    { sent: [[1, "A"]] },
    { sent: [[1, "AAAA"]] },
    { sent: [["1", "AAAAAAAAAAA="]] },
    { kept: [[1, 2]] },
    { sessions: [[1, 2]] },
    { sessions: [[1, 2, -3]] },
    { sessions: "none" },
    { figures: null },
    { figures: { version: {} } },
  ];
  for (const more of wrong) {
    assert.equal(changed(more), "malformed", JSON.stringify(more).slice(0, 80));
  }
});

Deno.test("a note that did not get through is told with the next, the newest hashes first", () => {
  const many = (
    length: number,
    first: number,
  ) => [{ address: 1, hashes: new Int32Array(length).fill(first) }];
  const before = noteOf({ number: 1, sent: many(MAX_HASH_BYTES / 8, 1) });
  const next = noteOf({ number: 2, loads: [], sent: many(MAX_HASH_BYTES / 8, 2) });
  const both = joined(before, next);
  assert.equal(both.number, 2);
  assert.deepEqual(both.loads, []);
  assert.equal(both.sent.length, 2);
  const third = joined(both, noteOf({ number: 3, sent: many(2, 3) }));
  assert.deepEqual(third.sent.map(({ hashes }) => hashes[0]), [2, 3]);
  assert.ok(encodeNote(third).length < MAX_NOTE_BYTES);
});

// Reading the events of a finished stream.

import assert from "node:assert/strict";
import { parseEvents } from "../../lib/sse/parse.ts";

function events(text: string) {
  return [...parseEvents(new TextEncoder().encode(text))];
}

Deno.test("events end at a blank line, whatever ends the lines", () => {
  const wanted = [{ data: "a" }, { data: "b" }];
  for (const end of ["\n", "\r\n", "\r"]) {
    assert.deepEqual(events(`data: a${end}${end}data: b${end}${end}`), wanted);
  }
  assert.deepEqual(events("data: a\r\n\ndata: b\n\r\n"), wanted);
});

Deno.test("comments, unknown fields and a byte order mark are passed over", () => {
  assert.deepEqual(events("\ufeffdata: a\n: waiting\nid: 7\nretry: 100\n\n: alone\n\n"), [
    { data: "a" },
  ]);
});

Deno.test("the data lines of one event are joined by line feeds", () => {
  assert.deepEqual(events("data: a\ndata:b\ndata\n\n"), [{ data: "a\nb\n" }]);
});

Deno.test("one space after the colon belongs to the syntax, a second to the value", () => {
  assert.deepEqual(events("data:  a\n\n"), [{ data: " a" }]);
});

Deno.test("an event keeps its name, and the next one does not inherit it", () => {
  assert.deepEqual(events("event: message_stop\ndata: {}\n\ndata: x\n\n"), [
    { event: "message_stop", data: "{}" },
    { data: "x" },
  ]);
});

Deno.test("an event without its blank line is not lost", () => {
  assert.deepEqual(events("data: a\n\ndata: b"), [{ data: "a" }, { data: "b" }]);
});

Deno.test("an empty stream has no events", () => {
  assert.deepEqual(events(""), []);
  assert.deepEqual(events("\n\n\r\n"), []);
});

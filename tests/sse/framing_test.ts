// Where events end and what their lines say.

import assert from "node:assert/strict";
import { anyEventEnd, eventEnd, missingEnd, readEvent } from "../../lib/sse/framing.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The pieces into which `text` falls, the last one perhaps without an end. */
function framed(text: string): string[] {
  const bytes = encoder.encode(text);
  const pieces: string[] = [];
  for (let start = 0; start < bytes.length;) {
    const found = anyEventEnd(bytes, start, bytes.length);
    const end = found < 0 ? bytes.length : found;
    pieces.push(decoder.decode(bytes.subarray(start, end)));
    start = end;
  }
  return pieces;
}

function read(text: string): { name: string; data: string | null } {
  const bytes = encoder.encode(text);
  const { name, data } = readEvent(bytes, 0, bytes.length)!;
  return { name, data: data === null ? null : decoder.decode(data) };
}

Deno.test("an event ends at its blank line, whatever ends the lines", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const event = `data: a${end}id: 1${end}${end}`;
    assert.deepEqual(framed(event + event), [event, event]);
  }
  assert.deepEqual(framed("data: a\r\n\ndata: b\n\r\ndata: c\n\rdata: d\r\r\n"), [
    "data: a\r\n\n",
    "data: b\n\r\n",
    "data: c\n\r",
    // The LF is a blank line of its own: nobody can wait to see whether one comes.
    "data: d\r\r",
    "\n",
  ]);
});

Deno.test("a blank line that may be half a line end is waited for", () => {
  const bytes = encoder.encode("data: a\r\n\r");
  assert.equal(anyEventEnd(bytes, 0, bytes.length), -1);
  assert.equal(eventEnd(bytes, 0, bytes.length), -1);
});

Deno.test("the fields of an event are read in any order", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const lines = [": note", "event: e", "data: a", "id: 7", "data:b", "retry: 1", "data"];
    assert.deepEqual(read(lines.join(end) + end + end), { name: "e", data: "a\nb\n" });
    assert.deepEqual(read(lines.reverse().join(end)), { name: "e", data: "\nb\na" });
  }
  assert.deepEqual(read("\uFEFFdata: a\n\n"), { name: "", data: "a" });
  assert.deepEqual(read(": only\n\n"), { name: "", data: null });
  assert.deepEqual(read("dat: a\ndatabase: b\nevents: c\n\n"), { name: "", data: null });
});

Deno.test("an event of a hundred thousand lines is none", () => {
  const bytes = encoder.encode(":\n".repeat(100_001));
  assert.equal(readEvent(bytes, 0, bytes.length), null);
});

Deno.test("what an event lacks at its end makes it one whole event", () => {
  for (
    const cut of ["data: a", "data: a\n", "data: a\r\n", "data: a\r", "id: 1\r\ndata: a", "a\n\r"]
  ) {
    const whole = cut + missingEnd(encoder.encode(cut));
    assert.deepEqual(framed(whole), [whole], JSON.stringify(cut));
  }
});

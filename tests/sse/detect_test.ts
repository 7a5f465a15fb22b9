// Telling a stream of events by its media type or by its first bytes.

import assert from "node:assert/strict";
import { isEventStream, looksLikeEvents, mediaType } from "../../lib/sse/detect.ts";

Deno.test("a media type has no case, and its parameters do not matter", () => {
  for (
    const type of [
      "text/event-stream",
      "Text/Event-Stream",
      "TEXT/EVENT-STREAM; charset=utf-8",
      " text/event-stream ;charset=UTF-8",
      "text/event-stream, text/event-stream",
    ]
  ) assert.ok(isEventStream(type), type);
  for (
    const type of ["", "text/plain", "text/event-streams", "application/json", undefined, null]
  ) {
    assert.ok(!isEventStream(type), String(type));
  }
  assert.equal(mediaType("Application/JSON;charset=utf-8"), "application/json");
});

Deno.test("events are told by their first line, as soon as it can be told", () => {
  const told = (text: string) => looksLikeEvents(new TextEncoder().encode(text));
  for (
    const text of ["data: {}", "data:{", "event: x", "id: 1", "retry: 5", ": ping", "\n\ndata: a"]
      .concat("\uFEFFdata: a", "\r\n: x", ":")
  ) assert.equal(told(text), true, text);
  for (const text of ['{"data":1}', "<html>", "data", "[", "dates", "x".repeat(100), "i am"]) {
    assert.equal(told(text), text === "data" ? null : false, text);
  }
  for (const text of ["", "d", "even", "\n", "i"]) assert.equal(told(text), null, text);
  assert.equal(looksLikeEvents(new Uint8Array([0xef, 0xbb])), null);
});

// What the end of a stream means: whole, another answer, or broken, and for whose sake.

import assert from "node:assert/strict";
import { passing } from "../../lib/forward/failure.ts";
import { type Ending, streamEnd } from "../../lib/forward/stream_end.ts";
import type { Stage } from "../../lib/forward/stage.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { SseObserver } from "../../lib/sse/observer.ts";

const TEXT = 'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n';
const FINISH = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const DONE = "data: [DONE]\n\n";
const NONSENSE = "data: nonsense\n\n";

const behind: Stage = { caughtUp: false, take: (events) => events };

/** The ending after these events; the body came to its end. */
function after(events: string, more: Partial<Ending> = {}): Ending {
  const reader = new SseObserver(more.api !== null, 1, new EventStore(1 << 20));
  reader.take(new TextEncoder().encode(events));
  if (reader.fault === null) reader.end();
  return {
    api: "chat",
    reader,
    stages: [],
    agrees: true,
    failure: null,
    fault: reader.fault,
    isLeft: false,
    ...more,
  };
}

const reset = passing("the connection was reset");
const late = { ...reset, kind: "late" } as const;

Deno.test("an answer that has its finish is whole, whatever became of the connection", () => {
  assert.deepEqual(streamEnd(after(TEXT + FINISH + DONE)), { kind: "whole", isClosed: true });
  assert.deepEqual(streamEnd(after(TEXT + FINISH)), { kind: "whole", isClosed: false });
  for (const failure of [reset, late]) {
    const end = streamEnd(after(TEXT + FINISH + DONE, { failure }));
    assert.deepEqual(end, { kind: "whole", isClosed: false });
  }
  assert.equal(streamEnd(after(TEXT + FINISH + DONE, { isLeft: true })).kind, "whole");
});

Deno.test("an answer without its finish is broken, in the words of what broke it", () => {
  const cut = streamEnd(after(TEXT));
  assert.deepEqual(cut, {
    kind: "broken",
    words: "it ended the stream before the answer was whole",
    lease: "failure",
    isOver: false,
    isOdd: false,
  });
  const lost = streamEnd(after(TEXT, { failure: reset }));
  assert.deepEqual(lost, { ...cut, words: "the connection was reset" });
  // What had come is the client's, but a stage holds a part of it back.
  assert.equal(streamEnd(after(TEXT + FINISH + DONE, { stages: [behind] })).kind, "broken");
});

Deno.test("whoever is late, or was left, is not held against the instance", () => {
  const spent = streamEnd(after(TEXT, { failure: late }));
  assert.ok(spent.kind === "broken" && spent.isOver && spent.lease === "neutral");
  const left = streamEnd(after(TEXT, { failure: reset, isLeft: true }));
  assert.ok(left.kind === "broken" && !left.isOver && left.lease === "neutral");
  assert.match(left.words, /drained/);
});

Deno.test("what cannot be read is told apart, and takes nothing from an answer that had ended", () => {
  const odd = streamEnd(after(TEXT + NONSENSE));
  assert.ok(odd.kind === "broken" && odd.isOdd && !odd.isOver);
  assert.equal(streamEnd(after(TEXT + FINISH + NONSENSE)).kind, "whole");
  const error = 'data: {"error":{"message":"boom","code":500}}\n\n';
  const behindFinish = streamEnd(after(TEXT + FINISH + error));
  assert.ok(behindFinish.kind === "broken" && behindFinish.isOver && !behindFinish.isOdd);
});

Deno.test("another answer than the one begun is no part of it, however it ended", () => {
  assert.deepEqual(streamEnd(after(TEXT + FINISH + DONE, { agrees: false })), { kind: "differs" });
  assert.deepEqual(streamEnd(after(TEXT, { agrees: false, failure: reset })), { kind: "differs" });
});

Deno.test("where the end of an answer is not understood, the connection alone tells", () => {
  const whole = after("data: x\n\n", { api: null });
  assert.equal(streamEnd(whole).kind, "whole");
  assert.equal(streamEnd({ ...whole, failure: reset }).kind, "broken");
});

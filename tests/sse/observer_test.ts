// What passes of a stream, and what is held back, for any split of its bytes.

import assert from "node:assert/strict";
import { SseObserver } from "../../lib/sse/observer.ts";
import { EventStore } from "../../lib/sse/event_store.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const chunk = (delta: object, finish: string | null = null, index = 0) =>
  `data: ${JSON.stringify({ id: "x", choices: [{ index, delta, finish_reason: finish }] })}\n\n`;
const role = chunk({ role: "assistant", content: "" });
const text = (content: string) => chunk({ content });
const done = "data: [DONE]\n\n";
const error = 'data: {"error":{"message":"boom","type":"X","param":null,"code":500}}\n\n';

interface Seen {
  passed: string;
  observer: SseObserver;
}

/** Feeds a stream in pieces of `size` bytes. */
function feed(stream: string, size: number, choices = 1): Seen {
  const observer = new SseObserver(true, choices, new EventStore(1 << 20));
  const bytes = encoder.encode(stream);
  let passed = "";
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    // One reused buffer, as a connection has: what is kept must be copied.
    const buffer = bytes.slice(at, at + size);
    pieces.push(observer.take(buffer).slice());
    buffer.fill(0);
  }
  for (const piece of pieces) passed += decoder.decode(piece);
  return { passed, observer };
}

const sizes = [1, 2, 3, 7, 64, 1000, 1 << 20];

Deno.test("a whole answer passes unchanged and is complete, for any split", () => {
  const events = `${role}${text("你好")}${text('"finish_reason":"stop"')}` +
    `${chunk({}, "stop")}${done}`;
  const stream = `: comment\n\n${events}`;
  for (const size of sizes) {
    const { passed, observer } = feed(stream, size);
    assert.equal(passed, stream, `pieces of ${size}`);
    assert.ok(observer.isComplete && observer.done && observer.meaningful);
    // Comments are no part of an answer: nothing of them is kept.
    assert.equal(decoder.decode(observer.store!.bytes()), events);
  }
});

Deno.test("an error, an abort or a broken event is held back, and everything after it", () => {
  for (
    const [bad, kind] of [
      [error, "error"],
      [chunk({ content: "" }, "abort"), "abort"],
      [chunk({}, "error"), "abort"],
      ['data: {"choices":[{"index":0,"delta":{"content":"x\n\n', "malformed"],
      ["data: nonsense\n\n", "malformed"],
    ]
  ) {
    for (const size of sizes) {
      const { passed, observer } = feed(role + text("a") + bad + done, size);
      assert.equal(passed, role + text("a"), `${kind} in pieces of ${size}`);
      assert.equal(observer.fault?.kind, kind);
      assert.ok(!observer.isComplete);
    }
  }
});

Deno.test("[DONE] alone proves nothing", () => {
  const { passed, observer } = feed(role + text("a") + done, 1000);
  assert.equal(passed, role + text("a"));
  assert.equal(observer.fault?.kind, "empty");
});

Deno.test("a missing [DONE] is no failure", () => {
  const { observer } = feed(role + text("a") + chunk({}, "stop"), 1000);
  assert.ok(observer.isComplete);
});

Deno.test("the role alone means nothing yet", () => {
  assert.ok(!feed(role, 1000).observer.meaningful);
  assert.ok(!feed(`: ping\n\n${role}`, 1000).observer.meaningful);
  assert.ok(feed(role + text("a"), 1000).observer.meaningful);
});

Deno.test("every choice must finish", () => {
  const two = role + text("a") + chunk({}, "stop", 0);
  assert.ok(!feed(two + done, 1000, 2).observer.isComplete);
  assert.ok(feed(two + chunk({}, "length", 1) + done, 1000, 2).observer.isComplete);
});

Deno.test("text that quotes an error or a finish is only text", () => {
  const quote = text('{"error":{"message":"x"}} "finish_reason":"abort" data: [DONE]');
  const { passed, observer } = feed(role + quote, 5);
  assert.equal(passed, role + quote);
  assert.equal(observer.fault, null);
});

Deno.test("usage is taken from the last chunk that has it", () => {
  const usage = 'data: {"choices":[],"usage":{"prompt_tokens":7,"total_tokens":9,' +
    '"completion_tokens":2}}\n\n';
  const { observer } = feed(role + text("a") + chunk({}, "stop") + usage + done, 3);
  assert.deepEqual(observer.usage, {
    promptTokens: 7,
    completionTokens: 2,
    cachedTokens: null,
  });
});

Deno.test("CRLF line ends are understood", () => {
  const stream = (role + text("a") + chunk({}, "stop") + done).replaceAll("\n", "\r\n");
  for (const size of sizes) {
    const { passed, observer } = feed(stream, size);
    assert.equal(passed, stream);
    assert.ok(observer.isComplete && observer.done);
  }
});

Deno.test("usage that is told in two parts is one: the prompt at the beginning, the answer at the end", () => {
  const named = (type: string, more: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  const begin = {
    input_tokens: 25,
    cache_creation_input_tokens: 5,
    cache_read_input_tokens: 10,
    output_tokens: 1,
  };
  const stream = (end: object) =>
    named("message_start", { message: { id: "m", content: [], usage: begin } }) +
    named("content_block_delta", { index: 0, delta: { type: "text_delta", text: "hi" } }) +
    named("message_delta", { delta: { stop_reason: "end_turn" }, usage: end }) +
    named("message_stop", {});
  const whole = { promptTokens: 40, completionTokens: 15, cachedTokens: 10 };
  for (const size of sizes) {
    assert.deepEqual(feed(stream({ output_tokens: 15 }), size).observer.usage, whole);
    assert.deepEqual(feed(stream({ ...begin, output_tokens: 15 }), size).observer.usage, whole);
  }
});

Deno.test("figures with each event are of the answer so far, and those of several choices of one: more follow", () => {
  const told = (choices: unknown[], completion: number) =>
    `data: ${
      JSON.stringify({ choices, usage: { prompt_tokens: 3, completion_tokens: completion } })
    }\n\n`;
  const said = (index: number, finish: string | null) => [{
    index,
    delta: { content: "a" },
    finish_reason: finish,
  }];
  const cases: [stream: string, choices: number, isOver: boolean][] = [
    [told(said(0, "length"), 1), 1, true],
    [told(said(0, null), 1) + told(said(0, "length"), 2), 1, false],
    [told(said(0, "length"), 1) + told(said(1, "length"), 1), 2, false],
  ];
  for (const [stream, choices, isOver] of cases) {
    const { observer } = feed(stream, 1 << 20, choices);
    assert.equal(observer.isOver, isOver, stream);
    observer.take(encoder.encode(told([], 2)));
    assert.ok(observer.isOver);
    assert.equal(observer.usage?.completionTokens, 2);
  }
});

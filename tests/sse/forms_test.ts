// Streams in the forms that the rules allow, their ends, and what they may cost.

import assert from "node:assert/strict";
import { wordsOf } from "../../lib/forward/verdict.ts";
import { cpuMsOf } from "../support/cpu.ts";
import {
  a,
  broken,
  chunk,
  decoder,
  done,
  encoder,
  feed,
  json,
  MIB,
  type Options,
  role,
  sizes,
  stop,
} from "./streams.ts";

function assertWhole(stream: string, options: Options = {}): void {
  for (const size of sizes) {
    const { passed, observer } = feed(stream, size, options);
    const where = `${JSON.stringify(stream)} in pieces of ${size}`;
    assert.equal(observer.fault, null, where);
    assert.ok(observer.isComplete && observer.finished && observer.pending === 0, where);
    assert.ok(passed.startsWith(stream), where);
  }
}

Deno.test("a whole answer is whole in every spelling of its events", () => {
  const heads = [": note\n", "event: message\n", "event:message\n", "event:\n", "id: 1\nretry: 2\n"]
    .concat("event: chat.completion.chunk\n: note\nid: 7\n");
  for (const head of heads) {
    const all = [role, a, stop].map((event) => head + event).join("");
    for (const stream of [all + done, role + a + head + stop + done, all]) {
      assertWhole(stream);
      assertWhole(stream.replaceAll("\n", "\r\n"));
      assertWhole(stream.replaceAll("\n", "\r"));
      assertWhole(`\uFEFF${stream}`);
    }
  }
  const behind = [role, a, stop].map((event) => event.replace(/\n$/, "id: 1\n: note\n\n")).join("");
  assertWhole(behind + done);
  assertWhole((role + a + stop + done).replaceAll("data: ", "data:"));
  assertWhole(
    `${role}${a}data: ${
      JSON.stringify(JSON.parse(json({}, "stop")), null, 1).replaceAll("\n", "\ndata: ")
    }\n\n`,
  );
  assertWhole(
    `${role}data: null\n\n${a}data: {}\n\ndata:\n\nevent: progress\ndata: 50 %\n\n${stop}${done}`,
  );
  assertWhole(role + a + stop + "data:  [DONE] \n\n");
});

Deno.test("line ends of every kind may be mixed", () => {
  assertWhole(`${role.trimEnd()}\r\n\n${a.trimEnd()}\n\r\n${stop.trimEnd()}\r\r${done}`);
  assertWhole(`${role.trimEnd()}\r\r${a}${a.trimEnd()}\r\r${stop}`);
});

Deno.test("the last event needs no blank line when the body has ended properly", () => {
  for (
    const last of [
      "data: [DONE]",
      "data: [DONE]\n",
      "data:[DONE] ",
      "data: [DONE]\r\n",
      done + "\n",
    ]
  ) {
    assertWhole(role + a + stop + last);
  }
  for (const cut of [1, 2]) assertWhole(role + a + stop.slice(0, -cut));
  const events = ['event: response.output_text.delta\ndata: {"delta":"x"}\n\n']
    .concat('event: response.completed\ndata: {"response":{"status":"completed"}}');
  assertWhole(events.join(""), { api: "responses" });
  assertWhole("event: message_stop\ndata: {}", { api: "messages" });
});

Deno.test("an event taken without its blank line goes on and is kept with one", () => {
  const { passed, observer } = feed(role + a + stop.slice(0, -2), 1000);
  assert.equal(passed, role + a + stop);
  assert.equal(decoder.decode(observer.store!.bytes()), role + a + stop);
});

Deno.test("behind a last line that lacks its blank line an event of the gateway's own stands alone", () => {
  for (const last of ["data: null\n", "data: null", "data: []\r\n"]) {
    const { passed } = feed(role + a + stop + last, 1000);
    assert.match(passed, /\r?\n\r?\n$/, JSON.stringify(last));
  }
  const comment = feed(role + a + stop + ": bye\n", 1000);
  assert.equal(comment.passed, `${role + a + stop}: bye\n`);
});

Deno.test("a last event that is cut short is never taken for a whole one", () => {
  for (let cut = 3; cut < stop.length; cut++) {
    const { passed, observer } = feed(role + a + stop.slice(0, -cut), 1000);
    assert.equal(passed, role + a);
    assert.ok(!observer.isComplete && observer.pending > 0, `${cut} bytes short`);
  }
  const last = 'event: response.completed\ndata: {"response":{"status":"completed"}}';
  for (let cut = 1; cut < last.length; cut++) {
    const { observer } = feed(last.slice(0, -cut), 1000, { api: "responses" });
    assert.ok(!observer.isComplete && observer.pending > 0, `${cut} bytes short`);
  }
});

Deno.test("a last event of a connection that broke is not taken", () => {
  const { observer } = broken(role + a + stop.slice(0, -2), 1000);
  assert.ok(!observer.isComplete && observer.pending > 0);
});

Deno.test("behind the finish reasons nothing takes the answer away", () => {
  for (
    const rest of ["data: nonsense\n\n", "data: [DON", "da", "event: x\ndata: {", ": note", "\n"]
  ) {
    for (const size of sizes) {
      const { passed, observer } = feed(role + a + stop + rest, size);
      assert.ok(observer.isComplete && observer.finished && observer.pending === 0, rest);
      assert.ok(passed.startsWith(role + a + stop), rest);
      assert.ok(!passed.includes("nonsense"), rest);
    }
  }
  assertWhole(role + a + stop + done + "data: nonsense\n\n" + a);
});

Deno.test("a finish reason without a word is none", () => {
  for (const reason of ["", "null"]) {
    const half = chunk({ role: "assistant", content: "a" }, reason) +
      chunk({ content: "b" }, reason);
    const { observer } = feed(half, 1000);
    assert.ok(!observer.isComplete && !observer.finished);
    assert.equal(observer.pieces, 2);
    assert.equal(feed(half + done, 1000).observer.fault?.kind, "empty");
  }
});

Deno.test("an error is seen beside comments, names and ids", () => {
  for (const head of [": start\n", "id: 1\n", "event: error\n", "event: message\n", "\uFEFF"]) {
    const error = `${head}data: {"error":{"message":"boom","code":500}}\n\n`;
    const { passed, observer } = feed(role + a + error + done, 5);
    assert.equal(passed, role + a);
    assert.equal(observer.fault?.kind, "error", head);
    assert.equal(decoder.decode(observer.fault!.event!), error);
    assert.match(wordsOf(observer.fault!), /boom/);
  }
});

Deno.test("each choice ends once, however often it says so", () => {
  const twice = role + a + chunk({}, "stop", 0) + chunk({}, "stop", 0);
  assert.ok(!feed(twice, 1000, { choices: 2 }).observer.finished);
  const both = JSON.stringify({
    choices: [{ index: 0, finish_reason: "stop" }, { index: 1, finish_reason: "length" }],
  });
  assertWhole(`${role}${a}data: ${both}\n\n`, { choices: 2 });
});

Deno.test("a message whose reason has gone by is finished, and whole with its last event", () => {
  const event = (type: string, more: object = {}) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  const delta = event("content_block_delta", { delta: { type: "text_delta", text: "a" } });
  const reason = event("message_delta", { delta: { stop_reason: "end_turn" } });
  const { observer } = feed(event("message_start") + delta + reason, 1000, { api: "messages" });
  assert.ok(observer.finished && !observer.isComplete);
  assertWhole(event("message_start") + delta + reason + event("message_stop"), { api: "messages" });
});

Deno.test("an end without a token or a reason is a break, unless words had come before", () => {
  const event = (type: string, more: object = {}) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  const begin = event("message_start");
  const text = event("content_block_delta", { delta: { type: "text_delta", text: "a" } });
  const usage = { output_tokens: 0 };
  const ending = (stop_reason: string | null) =>
    event("message_delta", { delta: { stop_reason }, usage }) + event("message_stop");
  const completed = event("response.completed", { response: { status: "completed", output: [] } });
  for (
    const [api, stream, passed] of [
      ["messages", begin + ending("end_turn"), begin],
      ["messages", begin + ending(null), begin],
      ["messages", begin + text + ending(null), begin + text],
      ["responses", event("response.created") + completed, event("response.created")],
    ] as const
  ) {
    for (const size of [1, 7, 1000]) {
      const seen = feed(stream, size, { api });
      assert.equal(seen.passed, passed);
      assert.ok(seen.observer.fault !== null && !seen.observer.finished, stream);
      assert.equal(seen.observer.meaningful, passed.includes("text_delta"));
    }
  }
  // There are servers that count nothing.
  assertWhole(begin + text + ending("end_turn"), { api: "messages" });
});

Deno.test("only what says something is progress", () => {
  const quiet = [
    ": ping\n\n",
    "\n\n",
    role,
    chunk({ content: "" }),
    chunk({ content: null }),
    chunk({}),
  ]
    .concat(chunk({ tool_calls: [] }), "data: null\n\n", 'event: ping\ndata: {"type":"ping"}\n\n')
    .concat("event: note\ndata: 1\n\n", 'data: {"choices":[]}\n\n')
    .concat('data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":0}}\n\n');
  for (const event of quiet) {
    for (const size of sizes) {
      const { observer } = feed(a + event.repeat(3), size);
      assert.deepEqual([observer.progress, observer.pieces], [1, 1], event);
      assert.ok(!feed(event, size).observer.meaningful, event);
    }
  }
  const usage = 'data: {"choices":[],"usage":{"completion_tokens":1}}\n\n';
  const says = [a, chunk({ reasoning: "a" }), stop, usage];
  says.push(chunk({ tool_calls: [{ index: 0, function: { arguments: "{" } }] }));
  for (const event of says) {
    for (const size of sizes) assert.equal(feed(a + event, size).observer.progress, 2, event);
  }
  const { observer } = feed(a + a.slice(0, -2), 1);
  assert.equal(observer.progress, 2);
  assert.equal(broken(a + a.slice(0, -2), 1).observer.progress, 1);
});

Deno.test("a continuous count of tokens hides no token", () => {
  const counted = (n: number) =>
    `data: {"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"completion_tokens":${n}}}\n\n`;
  const { observer } = feed(counted(1) + counted(2) + counted(3), 1000);
  assert.deepEqual([observer.pieces, observer.usage?.completionTokens], [3, 3]);
});

Deno.test("a stream that is not understood is whole when it says so or ends properly", () => {
  const delta =
    'event: transcript.text.delta\ndata: {"type":"transcript.text.delta","delta":"a"}\n\n';
  const end = 'data: {"type":"transcript.text.done","text":"a"}\n\n';
  const none = { api: null };
  assert.ok(!broken(delta, 7, none).observer.isComplete);
  assert.ok(feed(delta, 7, none).observer.isComplete);
  assert.ok(broken(delta + end, 7, none).observer.isComplete);
  assert.ok(broken(delta + done, 7, none).observer.isComplete);
  assert.equal(feed('data: {"error":{"message":"m"}}\n\n', 7, none).observer.fault?.kind, "error");
  const cut = feed(delta + end.slice(0, -9), 7, none).observer;
  assert.ok(cut.pending > 0);
  // It need not be JSON.
  const text = "data: hello\n\ndata: world";
  assert.equal(feed(text, 3, none).passed, text + "\n\n");
  assert.equal(feed(text, 3, none).observer.progress, 2);
});

Deno.test("a long event of a stream that is not understood goes on as it comes", () => {
  const image = `event: image\ndata: {"b64_json":"${"x".repeat(5 * MIB)}"}\n\n`;
  const { observer } = broken("", 1, { api: null });
  let passed = 0;
  let held = 0;
  const bytes = encoder.encode(image + done);
  for (let at = 0; at < bytes.length; at += 65_536) {
    passed += observer.take(bytes.slice(at, at + 65_536)).length;
    held = Math.max(held, observer.pending);
  }
  assert.ok(held <= MIB + 65_536, `${held} bytes held`);
  assert.equal(passed, bytes.length);
  assert.ok(observer.done && observer.pending === 0);
  const inside = broken(image.slice(0, 3 * MIB), 65_536, { api: null }).observer;
  assert.ok(inside.pending > 0 && !inside.isComplete);
});

Deno.test("an event may have many millions of bytes, and costs in proportion to them", () => {
  const cost = (mib: number) => {
    const stream = role + chunk({ content: "x".repeat(mib * MIB) }) + stop + done;
    return cpuMsOf(() => assert.ok(feed(stream, 65_536).observer.isComplete));
  };
  cost(1);
  const small = cost(3);
  const large = cost(24);
  assert.ok(large < 16 * small + 200, `3 MiB take ${small} ms, 24 MiB ${large} ms`);
});

Deno.test("an event, a comment and a silence without end are faults in clear words", () => {
  const long = feed(role + `data: {"a":"${"x".repeat(33 * MIB)}`, MIB).observer;
  assert.match(long.fault!.message, /an event of more than 33554432 bytes/);
  const comment = feed(role + `: ${"x".repeat(2 * MIB)}`, 65_536).observer;
  assert.match(comment.fault!.message, /a comment of more than 1048576 bytes/);
  assert.equal(comment.pending, 0);
  for (const quiet of [`: ${"c".repeat(995)}\n\n`, role, chunk({ content: "" })]) {
    const flood = quiet.repeat(Math.ceil(5 * MIB / quiet.length));
    const { passed, observer } = feed(flood, 65_536);
    assert.match(observer.fault!.message, /more than 4194304 bytes that say nothing/);
    assert.ok(passed.length <= 4 * MIB);
    // What says something in between ends the silence.
    assert.equal(feed(quiet.repeat(100).concat(a).repeat(100), 65_536).observer.fault, null);
  }
});

Deno.test("comments are not kept, however many there are", () => {
  const { observer } = feed(role + `${a}: ${"c".repeat(1000)}\n\n`.repeat(3000) + stop, 65_536);
  assert.equal(observer.store!.truncated, false);
  assert.equal(observer.store!.count, 3002);
});

// An instance that is silent for far longer than usual: another one is asked beside it, the first that answers
// has the request, and nothing of the other is left. "40" is the edge case of docs/decisions/routing.md.

import assert from "node:assert/strict";
import { recordsOf } from "../support/records.ts";
import { waitFor } from "../support/wait.ts";
import { type OddCall, whole } from "./odd_server.ts";
import {
  ask,
  HEAD,
  mute,
  QUICK,
  settled,
  stream,
  timed,
  two,
  WHOLE,
  wholeAnswer,
} from "./talkers.ts";

timed(
  "a hung engine costs its clients seconds with untouched defaults, and is soon found",
  async () => {
    await using s = await two();
    s.a.answer = mute;
    const slow: number[] = [];
    for (let n = 0; n < 10; n++) {
      const { name, status, text, seconds } = await ask(s.gateway);
      assert.equal(status, 200, text);
      assert.equal(name, "b");
      assert.match(text, /\[DONE\]/);
      if (seconds > 1) slow.push(seconds);
    }
    assert.ok(slow.length <= 3, slow.join(" "));
    assert.ok(slow.every((seconds) => seconds < 4.5), slow.join(" "));
    assert.match((await s.gateway.health()).text, /"hung"/);
    await settled(s.gateway);
    // What was closed there is closed.
    await waitFor(() => s.a.asked.every(({ closed }) => closed), "its connections to be closed");
    const lines = await recordsOf(s.gateway, QUICK + 10);
    assert.equal(lines.length, QUICK + 10, "one record each");
  },
);

timed(
  "a hung engine costs clients of whole answers seconds, too, and is found by them alone",
  async () => {
    await using s = await two();
    s.a.answer = (call) => wholeAnswer(call, "a");
    s.b.answer = (call) => wholeAnswer(call, "b");
    for (let n = 0; n < QUICK; n++) assert.equal((await ask(s.gateway, WHOLE)).status, 200);
    s.a.answer = mute;
    s.a.asked.length = s.b.asked.length = 0;
    const slow: number[] = [];
    for (let n = 0; n < 10; n++) {
      const { name, status, text, seconds } = await ask(s.gateway, WHOLE);
      assert.equal(status, 200, text);
      assert.equal(name, "b");
      assert.match(text, /"content":"b"/);
      if (seconds > 2) slow.push(seconds);
    }
    assert.ok(slow.length <= 3, slow.join(" "));
    assert.match((await s.gateway.health()).text, /"hung"/);
    await settled(s.gateway);
    await waitFor(() => s.a.asked.every(({ closed }) => closed), "its connections to be closed");
    const lines = await recordsOf(s.gateway, 2 * QUICK + 10);
    assert.equal(lines.length, 2 * QUICK + 10, "one record each");
  },
);

/** What leaves nothing behind, and what an instance says to it. */
const READINGS: Record<string, object> = {
  "/v1/embeddings": { input: ["hello", "world"] },
  "/v1/rerank": { query: "hello", documents: ["world"] },
  "/score": { text_1: "hello", text_2: "world" },
};

Deno.test("40: embeddings, ranks and scores of a hung engine come from another one within seconds", async () => {
  await using s = await two();
  const answer = (name: string) => (call: OddCall) => {
    call.write(whole(JSON.stringify({ from: name, usage: { prompt_tokens: 1, total_tokens: 1 } })));
    call.end();
  };
  s.a.answer = answer("a");
  s.b.answer = answer("b");
  for (let n = 0; n < QUICK; n++) {
    assert.equal(
      (await ask(s.gateway, { input: "hi", stream: false }, "/v1/embeddings")).status,
      200,
    );
  }
  s.a.answer = mute;
  s.a.asked.length = s.b.asked.length = 0;
  const open = Object.entries(READINGS).flatMap(([path, body]) =>
    // One of the two goes to the one that hangs.
    [1, 2].map(() => ask(s.gateway, { ...body, stream: false, messages: undefined }, path))
  );
  for (const { status, name, text } of await Promise.all(open)) {
    assert.deepEqual([status, name], [200, "b"], text);
    assert.equal(JSON.parse(text).from, "b");
  }
  assert.ok(s.a.asked.length > 0);
  await settled(s.gateway);
  await waitFor(() => s.a.asked.every(({ closed }) => closed), "its connections to be closed");
});

/** A stream of /v1/responses with these words. */
function responses(call: OddCall, text: string): void {
  const id = `resp_${text}`;
  const message = { id: "msg_1", type: "message", role: "assistant", status: "completed" };
  const events = [
    { type: "response.created", response: { id, status: "in_progress", output: [] } },
    { type: "response.output_text.delta", item_id: "msg_1", output_index: 0, delta: text },
    {
      type: "response.completed",
      response: {
        id,
        status: "completed",
        output: [{ ...message, content: [{ type: "output_text", text }] }],
      },
    },
  ];
  call.write(
    HEAD +
      events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
  );
  call.end();
}

Deno.test("40: a response that nobody is to keep may be asked for twice", async () => {
  await using s = await two();
  s.a.answer = mute;
  s.b.answer = (call) => responses(call, "b");
  const body = { input: "hi", store: false, messages: undefined };
  const open = [1, 2].map(() => ask(s.gateway, body, "/v1/responses"));
  for (const { status, name, text } of await Promise.all(open)) {
    assert.deepEqual([status, name], [200, "b"], text);
    assert.equal(text.match(/"delta":"b"/g)?.length, 1, text);
  }
  assert.ok(s.a.asked.length > 0);
  await settled(s.gateway);
});

Deno.test("40: when both answer at the same time there is one answer, one record and no lease left", async () => {
  await using s = await two();
  const held: (() => void)[] = [];
  // Both say nothing until both are asked, then all at once.
  const hold = (name: string) => (call: OddCall) => held.push(() => stream(call, name));
  const open: Promise<Awaited<ReturnType<typeof ask>>>[] = [];
  s.a.answer = hold("a");
  s.b.answer = (call) => stream(call, "b");
  while (s.a.asked.length < 1) {
    open.push(ask(s.gateway));
    await waitFor(() => s.a.asked.length + s.b.asked.length >= open.length, "the request");
  }
  const before = s.b.asked.length;
  s.b.answer = hold("b");
  await waitFor(() => s.b.asked.length > before, "the other to be asked beside it");
  for (const answer of held.splice(0)) answer();
  const answers = await Promise.all(open);
  for (const { status, name, text } of answers) {
    assert.equal(status, 200);
    assert.equal(text.match(/"content":"[ab]"/g)?.length, 1, text);
    assert.match(text, new RegExp(`"content":"${name}"`));
  }
  await settled(s.gateway);
  const lines = await recordsOf(s.gateway, QUICK + open.length);
  assert.equal(lines.length, QUICK + open.length);
  assert.doesNotMatch((await s.gateway.health()).text, /"hung"|"ejected"/);
});

// A connection that breaks between the finish of an answer and its last event: nobody is asked again, and
// the client still gets the figures that it wanted and the end.

import assert from "node:assert/strict";
import { startGateway } from "../support/processes.ts";
import { readSse } from "../support/sse.ts";
import { startOddServer } from "./odd_server.ts";

const HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;
const named = (data: { type: string; [field: string]: unknown }) =>
  `event: ${data.type}\n${event(data)}`;
const CHUNK = { id: "c1", object: "chat.completion.chunk", created: 7, model: "m" };
const choice = (delta: unknown, finish: string | null, ids: number[]) => ({
  index: 0,
  delta,
  logprobs: null,
  finish_reason: finish,
  token_ids: ids,
});
const CHAT = [
  event({
    ...CHUNK,
    choices: [{ index: 0, delta: { role: "assistant", content: "" } }],
    prompt_token_ids: [1, 2, 3],
  }),
  event({ ...CHUNK, choices: [choice({ content: "Hello" }, null, [4, 5])] }),
  event({ ...CHUNK, choices: [choice({ content: "." }, "stop", [6])] }),
];

/** Answers with `events` and breaks off, with the beginning of another event or without. */
async function stand(events: readonly string[], cutWithin: boolean) {
  const server = await startOddServer((call) => {
    call.write(HEAD + events.map(chunked).join("") + (cutWithin ? chunked("data: [DO") : ""));
    setTimeout(() => call.reset(), 50);
  });
  const gateway = await startGateway({
    config: { instances: [{ url: server.url, model_name: "m" }], health_check: false },
  });
  return {
    server,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

for (const cutWithin of [false, true]) {
  const where = cutWithin ? "within the event behind it" : "right behind it";

  Deno.test(`chat, broken ${where}: the figures that were asked for, and [DONE], once`, async () => {
    await using s = await stand(CHAT, cutWithin);
    const request = { model: "m", stream: true, messages: [{ role: "user", content: "hi" }] };
    // vLLM takes words for truth values.
    for (const include_usage of [true, "true", "on", 1]) {
      const wish = { ...request, stream_options: { include_usage } };
      const told = await readSse(await s.gateway.post("/v1/chat/completions", wish));
      assert.ok(told.done);
      const last = told.json.at(-1);
      assert.deepEqual(last.choices, []);
      assert.equal(last.id, "c1");
      assert.deepEqual(last.usage, { prompt_tokens: 3, total_tokens: 6, completion_tokens: 3 });
    }
    const bare = await readSse(await s.gateway.post("/v1/chat/completions", request));
    assert.ok(bare.done);
    assert.equal(bare.json.at(-1).choices[0].finish_reason, "stop");
    const asked = s.server.calls.filter(({ path }) => path.startsWith("/v1/chat"));
    assert.equal(asked.length, 5, "each answer was asked for once");
  });

  Deno.test(`messages, broken ${where}: message_stop, once`, async () => {
    await using s = await stand([
      named({
        type: "message_start",
        message: { id: "m1", role: "assistant", content: [], usage: { input_tokens: 3 } },
      }),
      named({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
      named({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hi" } }),
      named({ type: "content_block_stop", index: 0 }),
      named({
        type: "message_delta",
        delta: { stop_reason: "end_turn" },
        usage: { output_tokens: 1 },
      }),
    ], cutWithin);
    const answer = await readSse(
      await s.gateway.post("/v1/messages", {
        model: "m",
        stream: true,
        max_tokens: 9,
        messages: [{ role: "user", content: "hi" }],
      }),
    );
    const types = answer.json.map(({ type }) => type);
    assert.deepEqual(types.slice(-2), ["message_delta", "message_stop"]);
    assert.equal(types.length, 6);
    assert.equal(s.server.calls.filter(({ path }) => path === "/v1/messages").length, 1);
  });
}

Deno.test("several choices: the figures that ids, or figures with each event, have told", async () => {
  const said = (index: number, finish: string | null, count: number) => ({
    ...CHUNK,
    choices: [{ index, delta: { content: "x" }, finish_reason: finish }],
    usage: { prompt_tokens: 3, completion_tokens: count, total_tokens: 3 + count },
  });
  const withFigures = [said(0, null, 1), said(1, null, 2), said(0, "stop", 4), said(1, "stop", 3)];
  const withIds = withFigures.map(({ usage: _, ...chunk }, at) => ({
    ...chunk,
    ...at === 0 ? { prompt_token_ids: [1, 2, 3] } : {},
    choices: chunk.choices.map((one) => ({ ...one, token_ids: [at, at] })),
  }));
  const withNothing = withFigures.map(({ usage: _, ...chunk }) => chunk);
  const request = { model: "m", stream: true, n: 2, messages: [{ role: "user", content: "hi" }] };
  for (
    const [chunks, completion] of [[withFigures, 7], [withIds, 8], [withNothing, null]] as const
  ) {
    await using s = await stand(chunks.map(event), false);
    const answer = await readSse(
      await s.gateway.post("/v1/chat/completions", {
        ...request,
        stream_options: { include_usage: true, continuous_usage_stats: chunks === withFigures },
        return_token_ids: chunks === withIds,
      }),
    );
    assert.ok(answer.done);
    const { choices, usage } = answer.json.at(-1);
    if (completion === null) assert.equal(choices.length, 1, "nobody knows");
    else {
      assert.deepEqual(choices, []);
      assert.equal(usage.prompt_tokens, 3);
      assert.equal(usage.completion_tokens, completion);
    }
  }
});

// A text that an instance has closed, and whose end was not told: why it ended is read from the text.

import assert from "node:assert/strict";
import { TokensAsk } from "../../lib/forward/resume/from_tokens.ts";
import type { Sent } from "../../lib/forward/resume/plan.ts";
import type { Json } from "../../lib/json/json.ts";
import { firstAnswer } from "./first_answer.ts";

const encoder = new TextEncoder();

/** The rest of an answer of the Messages API, one token for each word, that broke when its text was closed. */
async function restOf(content: string, request: Json): Promise<Json> {
  const events: Json[] = [
    {
      type: "message_start",
      message: { id: "first", type: "message", role: "assistant", content: [], model: "m" },
    },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: content } },
    { type: "content_block_stop", index: 0 },
  ];
  const sent: Sent = {
    answer: firstAnswer(content),
    tokens: 1,
    events: () =>
      events.map((data) =>
        encoder.encode(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`)
      ),
    ids: null,
  };
  const ask = new TokensAsk("continue", {
    api: "messages",
    request: { model: "m", messages: [{ role: "user", content: "Go" }], ...request },
    sent,
    marks: [],
    contextLength: 100,
  });
  const prepared = await ask.prepare((path, body) =>
    Promise.resolve(
      path === "/detokenize"
        ? { prompt: "user: Go" }
        : { tokens: String(body?.prompt ?? "the prompt").split(" ").map((_, at) => at) },
    )
  );
  assert.ok(typeof prepared === "object");
  const data = [...prepared.end.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data));
  return data.find(({ type }) => type === "message_delta");
}

Deno.test("a closed text that ends in a stop string has ended there, with no token more", async () => {
  const stops = { stop_sequences: ["END"], include_stop_str_in_output: true };
  const whole = await restOf("well then END", { max_tokens: 9, ...stops });
  assert.deepEqual(whole.delta, { stop_reason: "stop_sequence", stop_sequence: "END" });
  assert.equal((whole.usage as Json).output_tokens, 3);
  const atLimit = await restOf("well then END", { max_tokens: 3, ...stops });
  assert.deepEqual(atLimit.delta, { stop_reason: "stop_sequence", stop_sequence: "END" });
});

Deno.test("a closed text without one has ended by itself or at its limit", async () => {
  const own = await restOf("well then", { max_tokens: 9, stop_sequences: ["END"] });
  assert.equal((own.delta as Json).stop_reason, "end_turn");
  assert.equal((own.usage as Json).output_tokens, 3);
  const full = await restOf("well then", { max_tokens: 2, stop_sequences: ["END"] });
  assert.equal((full.delta as Json).stop_reason, "max_tokens");
  assert.equal((full.usage as Json).output_tokens, 2);
});

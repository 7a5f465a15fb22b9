// Whoever has the end of an answer may ask again at once: what the answer held is free by then, and what it
// used is booked, whichever worker is asked.

import assert from "node:assert/strict";
import { chunk, completion, sse, startUpstream } from "../../support/upstream.ts";
import { bearer, keyedGateway, makeKey } from "./keyed.ts";

const TIMES = 60;

const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const MESSAGE_EVENTS = [
  {
    type: "message_start",
    message: { id: "msg_1", role: "assistant", content: [], usage: { input_tokens: 3 } },
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "hello" } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
  { type: "message_stop" },
];

/** What is asked, and how an instance answers. */
const APIS: Record<string, { path: string; body: object; answer: () => Response }> = {
  "a whole chat answer": {
    path: "/v1/chat/completions",
    body: { messages: [{ role: "user", content: "hi" }] },
    answer: () => completion("hello"),
  },
  "a streamed chat answer": {
    path: "/v1/chat/completions",
    body: { messages: [{ role: "user", content: "hi" }], stream: true },
    answer: () =>
      sse([
        chunk({ role: "assistant", content: "hello" }),
        chunk({}, "stop"),
        { ...chunk({}), choices: [], usage: USAGE },
        "[DONE]",
      ]),
  },
  "a streamed message": {
    path: "/v1/messages",
    body: { messages: [{ role: "user", content: "hi" }], stream: true, max_tokens: 10 },
    answer: () => sse(MESSAGE_EVENTS),
  },
  "a refusal in an instance's words": {
    path: "/v1/chat/completions",
    body: { messages: [] },
    answer: () => Response.json({ error: { message: "no messages" } }, { status: 400 }),
  },
};

for (const [what, { path, body, answer }] of Object.entries(APIS)) {
  Deno.test(`access 14: after ${what} the slot of its key is free, in all workers`, async () => {
    await using upstream = startUpstream(answer);
    const key = makeKey("web", { concurrency: 1 });
    await using gateway = await keyedGateway(upstream, [key], { workers: 2 });
    // A connection for each: both workers are asked.
    const { headers } = bearer(key.key);
    const refused: string[] = [];
    for (let n = 0; n < TIMES; n++) {
      const init = { headers: { ...headers, connection: "close" } };
      const response = await gateway.post(path, { model: "m", ...body }, init);
      const text = await response.text();
      if (response.status === 429) refused.push(text);
    }
    assert.deepEqual(refused, []);
  });
}

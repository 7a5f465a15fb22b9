// The small questions before an answer goes on elsewhere: who cannot answer them, or never comes to an end,
// costs an attempt and not the answer.

import assert from "node:assert/strict";
import { chatText, readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { settled, startGatewayFor } from "./fleet.ts";
import { type OddCall, startOddServer } from "./odd_server.ts";

const EVENTS =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const event = (data: unknown) => chunked(`data: ${JSON.stringify(data)}\n\n`);
const choice = (said: object, finish: string | null, ids: number[]) => [
  { index: 0, ...said, finish_reason: finish, token_ids: ids },
];
const json = (status: string, body: string) =>
  `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

/** Breaks the first answer off, goes on with it when asked by ids, and answers a question with `odd` once. */
async function stand(odd: (call: OddCall) => void) {
  let questions = 0;
  const server = await startOddServer((call) => {
    if (call.path.endsWith("/detokenize")) {
      return ++questions === 1 ? odd(call) : call.write(json("200 OK", '{"prompt":"Hello"}'));
    }
    if (call.path.endsWith("/chat/completions")) {
      const head = { id: "c", prompt_token_ids: [1, 2] };
      call.write(
        EVENTS + event({ ...head, choices: choice({ delta: { content: "Hello" } }, null, [3]) }),
      );
      return void setTimeout(() => call.reset(), 50);
    }
    const rest = event({ id: "d", choices: choice({ text: " world" }, "stop", [4]) });
    call.write(EVENTS + rest + chunked("data: [DONE]\n\n") + "0\r\n\r\n");
  });
  const gateway = await startGatewayFor([server.url]);
  return {
    server,
    gateway,
    chat: (init: RequestInit = {}) =>
      gateway.post("/v1/chat/completions", {
        model: "demo",
        stream: true,
        temperature: 1,
        max_tokens: 100,
        messages: [{ role: "user", content: "hi" }],
      }, init),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** A byte now and then, without end. */
function dribble(call: OddCall): void {
  call.write(
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
  );
  const timer = setInterval(
    () => call.closed ? clearInterval(timer) : call.write(chunked(" ")),
    200,
  );
}

const ODD: Record<string, (call: OddCall) => void> = {
  "that cannot be answered now": (call) => call.write(json("503 Service Unavailable", "{}")),
  "whose answer has no end": dribble,
};

for (const [name, odd] of Object.entries(ODD)) {
  Deno.test(`a question ${name} costs an attempt, not the way`, async () => {
    await using s = await stand(odd);
    const answer = await readSse(await s.chat());
    assert.ok(answer.done, JSON.stringify(answer.json));
    assert.equal(chatText(answer).content, "Hello world");
    const paths = s.server.calls.map(({ path }) => path);
    assert.deepEqual(paths.slice(1), ["/detokenize", "/detokenize", "/v1/completions"]);
    await settled(s.gateway);
  });
}

Deno.test("a client that leaves while a question is open leaves nothing behind", async () => {
  await using s = await stand(dribble);
  const leaving = new AbortController();
  const reading = s.chat({ signal: leaving.signal }).then((response) => response.text());
  reading.catch(() => {});
  const asked = () => s.server.calls.find(({ path }) => path === "/detokenize");
  await waitFor(() => Promise.resolve(asked() !== undefined), "the question");
  leaving.abort();
  await waitFor(() => Promise.resolve(asked()!.closed), "the end of the question");
  await settled(s.gateway);
  assert.equal(s.server.calls.length, 2);
});

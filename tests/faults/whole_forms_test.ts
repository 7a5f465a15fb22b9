// Answers that are not streamed: what is none although its status is good, what is one in an odd form, and
// errors of the client's own that come in place of an answer.

import assert from "node:assert/strict";
import { chatBody, exactRecordsOf, startGatewayFor } from "./fleet.ts";
import { completion, type OddCall, startOddServer, whole } from "./odd_server.ts";

const JSON_HEAD = "content-type: application/json\r\n";
const broken = completion("x").replace('"model"', 'oops"model"');

/** Bodies without an answer, by what is wrong with them. */
const NONE: Record<string, string> = {
  "no choices": '{"choices":[]}',
  "null choices": '{"choices":null}',
  "words of a server that warms up": '{"detail":"upstream warming up"}',
  "broken inside": broken,
  "something behind it": completion("x") + "}",
  "two of them": completion("x") + completion("x"),
  "a list": `[${completion("x")}]`,
  "a text": '"hello"',
};

const FORMS: Record<string, string> = {
  "a byte order mark": whole(`\xef\xbb\xbf${completion("good")}`),
  "blanks around it": whole(`\r\n ${completion("good")}\n\n`),
  "NaN among the figures": whole(completion("good").replace('"created":1', '"created":NaN')),
  "no content type": whole(completion("good"), ""),
};

function answering(answer: () => string): (call: OddCall) => void {
  return (call) => call.write(answer());
}

const ask = chatBody({ stream: false });

Deno.test("a whole body without an answer is none: another instance is asked", async () => {
  let answer = "";
  await using bad = await startOddServer(answering(() => answer));
  await using good = await startOddServer(answering(() => whole(completion("good"))));
  await using gateway = await startGatewayFor([bad.url, good.url], { error_threshold: 1000 });
  let count = 0;
  for (const [what, body] of Object.entries(NONE)) {
    answer = whole(body, JSON_HEAD);
    // Turn about: at least one of two begins at the bad one.
    for (let i = 0; i < 2; i++) {
      const response = await gateway.post("/v1/chat/completions", ask);
      assert.equal(response.status, 200, what);
      assert.equal((await response.json()).choices[0].message.content, "good", what);
      count++;
    }
  }
  assert.ok(bad.calls.length >= Object.keys(NONE).length);
  const { complete } = await exactRecordsOf(gateway, count, 0);
  for (const line of complete) assert.equal(line.conversations.at(-1)!.value, "good");
});

Deno.test("a whole answer in an odd form is one", async () => {
  let answer = "";
  await using instance = await startOddServer(answering(() => answer));
  await using gateway = await startGatewayFor([instance.url]);
  let count = 0;
  for (const [form, bytes] of Object.entries(FORMS)) {
    answer = bytes;
    const response = await gateway.post("/v1/chat/completions", ask);
    assert.equal(response.status, 200, form);
    assert.match(await response.text(), /"content":"good"/, form);
    assert.equal(instance.calls.length, ++count, form);
  }
  await exactRecordsOf(gateway, count, 0);
});

Deno.test("an error of the client's own in a body with a good status has the status that it means", async () => {
  let answer = "";
  await using instance = await startOddServer(answering(() => answer));
  await using gateway = await startGatewayFor([instance.url]);
  let count = 0;
  for (
    const [error, status] of [
      [{ message: "no", type: "invalid_request_error", code: "content_policy_violation" }, 400],
      [{ message: "no", type: "BadRequestError", code: 400 }, 400],
      [{ message: "no", type: "UnprocessableEntityError", code: 422 }, 422],
    ] as const
  ) {
    answer = whole(JSON.stringify({ error }));
    const response = await gateway.post("/v1/chat/completions", ask);
    assert.equal(response.status, status);
    assert.deepEqual(await response.json(), { error });
    assert.equal(instance.calls.length, ++count);
  }
});

Deno.test("a 404 that is no answer of an API's own is the path's: another instance is asked", async () => {
  let answer = "";
  await using lost = await startOddServer(answering(() => answer));
  await using good = await startOddServer(answering(() => whole(completion("good"))));
  await using gateway = await startGatewayFor([lost.url, good.url]);
  for (const body of ["<html><h1>404 Not Found</h1></html>", "404 page not found\n", ""]) {
    answer =
      `HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    for (let i = 0; i < 2; i++) {
      const response = await gateway.post("/v1/chat/completions", ask);
      assert.equal(response.status, 200, body);
      await response.body?.cancel();
    }
  }
  assert.ok(lost.calls.length > 0);
});

Deno.test("a finished stream without its last event is closed for clients that wait for it", async () => {
  const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
  const chat =
    'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n' +
    'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
  const messages = [
    { type: "message_start", message: { id: "m", role: "assistant", content: [] } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hi" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 1 } },
  ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
  let body = "";
  await using instance = await startOddServer((call) => {
    call.write(head + body);
    call.end();
  });
  await using gateway = await startGatewayFor([instance.url]);
  for (
    const [path, sent, last] of [
      ["/v1/chat/completions", chat, "data: [DONE]\n\n"],
      ["/v1/messages", messages, 'event: message_stop\ndata: {"type":"message_stop"}\n\n'],
    ]
  ) {
    body = sent;
    const response = await gateway.post(path, chatBody({ stream: true, max_tokens: 9 }));
    assert.equal(await response.text(), sent + last);
  }
  await exactRecordsOf(gateway, 2, 0);
});

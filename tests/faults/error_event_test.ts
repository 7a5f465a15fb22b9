// An error event in places where nothing may follow it, and nobody else is asked.

import assert from "node:assert/strict";
import { readSse } from "../support/sse.ts";
import { within } from "../support/wait.ts";
import { chatBody, exactRecordsOf, settled, startGatewayFor } from "./fleet.ts";
import { startOddServer } from "./odd_server.ts";

const HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const event = (data: unknown) => {
  const text = `data: ${JSON.stringify(data)}\n\n`;
  return `${text.length.toString(16)}\r\n${text}\r\n`;
};
const said = (delta: object, finish: string | null = null) =>
  event({ id: "c", choices: [{ index: 0, delta, finish_reason: finish }] });

Deno.test("an error behind the finish is told, and the answer goes on nowhere", async () => {
  const error = { message: "no figures", type: "InternalServerError", param: null, code: 500 };
  await using server = await startOddServer((call) => {
    call.write(
      HEAD + said({ content: "Hello" }) + said({}, "stop") + event({ error }) + "0\r\n\r\n",
    );
  });
  await using gateway = await startGatewayFor([server.url]);
  const body = chatBody({ stream: true, temperature: 0 });
  const answer = await readSse(await gateway.post("/v1/chat/completions", body));
  assert.ok(!answer.done);
  assert.deepEqual(answer.json.at(-1).error, error);
  assert.equal(answer.json.filter(({ choices }) => choices?.[0].finish_reason).length, 1);
  assert.equal(server.calls.length, 1);
  await settled(gateway);
  await exactRecordsOf(gateway, 0, 1);
});

Deno.test("a client's own error in a stream that then stays open comes at once", async () => {
  const error = { message: "too long", type: "invalid_request_error", param: null, code: 400 };
  await using server = await startOddServer((call) => call.write(HEAD + event({ error })));
  // Whoever waits for the stream to end, or for it to have been silent for too long, waits for ten minutes.
  await using gateway = await startGatewayFor([server.url], { timeouts: { idle: 600 } });
  const answer = await within(
    readSse(await gateway.post("/v1/chat/completions", chatBody({ stream: true }))),
    "the end of the answer",
  );
  assert.deepEqual(answer.json, [{ error }]);
  assert.equal(server.calls.length, 1);
  await settled(gateway);
});

// Servers that keep a connection open with blanks before a whole answer: the limit of such an answer is one
// of the whole of it.

import assert from "node:assert/strict";
import { chatBody, errorOf, settled, startGatewayFor } from "./fleet.ts";
import { type OddCall, startOddServer } from "./odd_server.ts";

Deno.test("a whole answer of which only blanks come ends with timeouts.answer, asked for once", async () => {
  await using one = await startOddServer(dribble);
  await using other = await startOddServer(dribble);
  await using gateway = await startGatewayFor([one.url, other.url], {
    timeouts: { answer: 4, idle: 3.5 },
  });
  const response = await gateway.post("/v1/chat/completions", chatBody());
  const { message } = await errorOf(response, 504, "GatewayTimeoutError");
  assert.match(message, /timeouts\.answer/);
  assert.equal(one.calls.length + other.calls.length, 1);
  await settled(gateway);
});

function dribble(call: OddCall): void {
  const head = "content-type: application/json\r\ntransfer-encoding: chunked";
  call.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`);
  const write = () => call.closed ? clearInterval(timer) : call.write("1\r\n \r\n");
  const timer = setInterval(write, 100);
}

// Paths that instances do not have: asked of each once, and the client's error where all say so.

import assert from "node:assert/strict";
import { chatBody, startGatewayFor } from "./fleet.ts";
import { waitFor } from "../support/wait.ts";
import { completion, startOddServer, whole } from "./odd_server.ts";

const NOT_FOUND = "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\n" +
  'content-length: 22\r\n\r\n{"detail":"Not Found"}';
const NO_PATH = "/v1/v1/chat/completions";

const lost = () => startOddServer((call) => call.write(NOT_FOUND));

Deno.test("a path that no instance has is asked of each once, and is the client's error", async () => {
  await using one = await lost();
  await using two = await lost();
  await using gateway = await startGatewayFor([one.url, two.url], { retry: { max_wait: 0.2 } });
  let count = 0;
  for (const path of [NO_PATH, "/v1/nonsense", "/v1/messages"]) {
    for (const stream of [false, true]) {
      const response = await gateway.post(path, chatBody({ stream }));
      assert.equal(response.status, 404, path);
      const { error } = await response.json();
      assert.match(error.message, /^No instance of model `\S+` has the path \/v1\//);
      count++;
      assert.deepEqual([one.calls.length, two.calls.length], [count, count], path);
    }
  }
  // Workers tell a moment later.
  let metrics = "";
  await waitFor(async () => {
    metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    return metrics.includes('outcome="rejected"');
  }, "the outcome");
  assert.doesNotMatch(metrics, /outcome="failed"[^\n]* [1-9]/);
});

Deno.test("that no instance has chat is the operator's error, and each is asked once all the same", async () => {
  await using one = await lost();
  await using gateway = await startGatewayFor([one.url], { retry: { max_wait: 0.2 } });
  const response = await gateway.post("/v1/chat/completions", chatBody({ stream: false }));
  assert.equal(response.status, 404);
  await response.body?.cancel();
  assert.equal(one.calls.length, 1);
  await waitFor(async () => {
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    return /outcome="failed"[^\n]* 1\n/.test(metrics);
  }, "the failure to be counted");
});

Deno.test("where one lacks the path and another one fails, it is a failure, and only that one is asked again", async () => {
  await using one = await lost();
  await using two = await startOddServer((call) => {
    call.write("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
  });
  await using gateway = await startGatewayFor([one.url, two.url], { retry: { max_wait: 0.2 } });
  const response = await gateway.post(NO_PATH, chatBody({ stream: false }));
  assert.ok([502, 503].includes(response.status));
  await response.body?.cancel();
  assert.deepEqual([one.calls.length, two.calls.length], [1, 2]);
});

Deno.test("a path that one instance lacks is answered by the one that has it", async () => {
  await using one = await lost();
  await using two = await startOddServer((call) => call.write(whole(completion("good"))));
  await using gateway = await startGatewayFor([one.url, two.url], { retry: { max_wait: 0.2 } });
  for (let i = 0; i < 2; i++) {
    const response = await gateway.post("/v1/chat/completions", chatBody({ stream: false }));
    assert.equal(response.status, 200);
    await response.body?.cancel();
  }
});

Deno.test("where one lacks the path and the other takes nothing now, it is no client's error", async () => {
  await using one = await lost();
  await using two = await startOddServer((call) => {
    call.write("HTTP/1.1 429 Later\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n");
  });
  await using gateway = await startGatewayFor([one.url, two.url], { retry: { max_wait: 0.2 } });
  for (let i = 0; i < 3; i++) {
    const response = await gateway.post("/v1/responses", chatBody({ stream: false }));
    assert.equal(response.status, 503, `request ${i}`);
    await response.body?.cancel();
  }
  assert.equal(two.calls.length, 1);
});

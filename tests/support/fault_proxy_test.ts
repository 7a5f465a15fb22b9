// The fault proxy does what tests believe of it.

import assert from "node:assert/strict";
import { type Any, ask, stand } from "../simulate/stand.ts";
import { type FaultProxy, startFaultProxy } from "./fault_proxy.ts";
import { rawRequest } from "./raw_http.ts";
import { chatText, readSse } from "./sse.ts";
import { waitFor } from "./wait.ts";

const through = async (proxy: FaultProxy) =>
  await readSse(
    await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: ask("Hello"), stream: true }),
    }),
  );

Deno.test("bytes pass whole, split, delayed and throttled", async () => {
  await using it = await stand({ tokens: 20 });
  await using proxy = await startFaultProxy(it);
  const plain = chatText(await through(proxy));
  assert.equal(plain.finishReason, "stop");
  for (const faults of [{ splitSizes: [7, 100, 33] }, { delayMs: 5 }, { bytesPerSecond: 50_000 }]) {
    Object.assign(proxy.faults, faults);
    assert.deepEqual(chatText(await through(proxy)), plain);
    proxy.heal();
    proxy.faults.splitSizes = [];
  }
});

Deno.test("a connection is cut at a byte, by reset or by close", async () => {
  await using it = await stand();
  await using proxy = await startFaultProxy(it, { cutAtByte: 700 });
  for (const cutHow of ["reset", "close", "half-close"] as const) {
    proxy.faults.cutHow = cutHow;
    const answer = await through(proxy);
    assert.notEqual(answer.error, null, cutHow);
    assert.ok(answer.events.length > 0 && !answer.done);
  }
});

Deno.test("a refused connection is reset, a black hole says nothing", async () => {
  await using it = await stand();
  await using proxy = await startFaultProxy(it, { refuse: true });
  const get = { port: proxy.port, parts: ["GET /health HTTP/1.1\r\nhost: a\r\n\r\n"] };
  assert.equal((await rawRequest(get)).ended, "reset");
  proxy.heal();
  proxy.faults.blackHole = true;
  assert.equal((await rawRequest({ ...get, deadlineMs: 100 })).text, "");
  proxy.heal();
  const answer = await rawRequest({ ...get, until: (answer: Any) => answer.status === 200 });
  assert.equal(answer.status, 200);
});

Deno.test("a client that leaves is passed on", async () => {
  await using it = await stand({ tokensPerSecond: 50, tokens: 5000 });
  await using proxy = await startFaultProxy(it);
  const response = await fetch(`${proxy.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: ask("Hello"), stream: true }),
  });
  await response.body!.cancel();
  await waitFor(async () => (await it.requests())[0].aborted, "the instance to notice");
  assert.equal(proxy.connections(), 0);
});

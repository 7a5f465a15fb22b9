// Reloads in the middle of an answer: what is known of an instance by then stays known, although the
// configuration in force has made it anew.

import assert from "node:assert/strict";
import { readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { chatBody, healthOf, startGatewayFor } from "./fleet.ts";
import { type OddCall, startOddServer } from "./odd_server.ts";

const entry = ({ url }: { url: string }, name: string, more = {}) => ({
  url,
  model_name: "demo",
  name,
  ...more,
});
const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const chunkOf = (choice: unknown) => {
  const head = { id: "a", object: "chat.completion.chunk", created: 1, model: "demo" };
  return `data: ${JSON.stringify({ ...head, choices: [choice] })}\n\n`;
};
const word = (content: string) =>
  chunkOf({ index: 0, delta: { role: "assistant", content }, finish_reason: null });

for (const reloads of [false, true]) {
  const when = reloads ? "whatever is reloaded meanwhile" : "and then no more";
  Deno.test(`an instance that sends what cannot be read is asked once more, ${when}`, async () => {
    const before = Promise.withResolvers<void>();
    await using server = await startOddServer(async (call) => {
      call.write(HEAD + word("one") + word(" two"));
      if (call.number === 0) await before.promise;
      call.write("data: {not json\n\n");
      call.end();
    });
    const retry = (wait: number) => ({ retry: { max_wait: wait } });
    await using gateway = await startGatewayFor([server.url], retry(0.1));
    const answer = gateway.post("/v1/chat/completions", chatBody({ stream: true, temperature: 0 }));
    const read = answer.then(readSse);
    await waitFor(() => server.calls.length === 1, "the request to come");
    if (reloads) {
      await gateway.writeConfig({
        instances: [entry(server, "sim-0", { weight: 2 })],
        health_check: false,
        error_threshold: 1000,
        ...retry(0.2),
      });
      await waitFor(() => /configuration reloaded/.test(gateway.output()), "the reload");
    }
    before.resolve();
    const { done, json } = await read;
    assert.ok(!done);
    assert.match(json.at(-1).error.message, /malformed event/);
    assert.equal(server.calls.length, 2);
  });
}

Deno.test("a stream that waits for an instance does not go on at one that was drained meanwhile", async () => {
  const port = (at: { url: string }) => Number(new URL(at.url).port);
  const begins = (call: OddCall) => call.write(HEAD + word("one") + word(" two"));
  const first = await startOddServer(begins);
  const other = await startOddServer(begins);
  await other[Symbol.asyncDispose]();
  await using gateway = await startGatewayFor([first.url], { retry: { max_wait: 0.1 } });
  const answer = gateway.post("/v1/chat/completions", chatBody({ stream: true, temperature: 0 }));
  const read = answer.then(readSse);
  await waitFor(() => first.calls.length === 1, "the request to come");
  await first[Symbol.asyncDispose]();
  await waitFor(async () => {
    const { instances } = await healthOf(gateway);
    return instances.some(({ recent_errors }) => recent_errors > 0);
  }, "nobody to be there");
  await gateway.writeConfig({
    instances: [entry(first, "sim-0", { weight: 0 }), entry(other, "sim-1")],
    health_check: false,
    error_threshold: 1000,
  });
  await waitFor(() => /configuration reloaded/.test(gateway.output()), "the reload");
  await using drained = await startOddServer(begins, port(first));
  await using next = await startOddServer((call) => {
    const end = { index: 0, delta: {}, finish_reason: "stop" };
    begins(call);
    call.write(`${word(" three")}${chunkOf(end)}data: [DONE]\n\n`);
    call.end();
  }, port(other));
  const { done, json } = await read;
  const text = json.map(({ choices }) => choices[0].delta.content ?? "").join("");
  assert.deepEqual([done, text], [true, "one two three"]);
  assert.deepEqual([drained.calls.length, next.calls.length], [0, 1]);
});

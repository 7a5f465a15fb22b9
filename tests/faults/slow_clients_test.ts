// Clients that send or read slowly, or send several requests in one go: no instance is blamed for them, and
// nobody else waits for them.

import assert from "node:assert/strict";
import { chunk, completion, sse, startUpstream, type Upstream } from "../support/upstream.ts";
import { rawRequest } from "../support/raw_http.ts";
import { waitFor } from "../support/wait.ts";
import { startGatewayFor } from "./fleet.ts";

// Behind Deno.serve heads and bodies have no limits of time, and pipelines are its own affair.
const ignore = Deno.env.get("TEST_LISTENER") === "deno_serve";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore, fn });
}

const chat = (content: string, more = {}) =>
  JSON.stringify({ model: "demo", messages: [{ role: "user", content }], ...more });

const head = (length: number) =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n` +
  `content-length: ${length}\r\n\r\n`;

const request = (body: string) => head(new TextEncoder().encode(body).length) + body;

const standFor = (upstream: Upstream, more = {}) =>
  startGatewayFor([upstream.url], {
    timeouts: { idle: 2 },
    ...more,
  });

async function blame(url: string) {
  const { instances } = await (await fetch(`${url}/health`)).json();
  const [{ state, recent_errors, in_flight }] = instances;
  return { state, recent_errors, in_flight };
}

/** Once all is over, nothing speaks against the instance. */
async function assertInnocent(url: string): Promise<void> {
  await waitFor(async () => (await blame(url)).in_flight === 0, "the end");
  assert.deepEqual(await blame(url), { state: "healthy", recent_errors: 0, in_flight: 0 });
}

/** Another client is served meanwhile. */
async function servesOthers(gateway: { post(path: string, body: string): Promise<Response> }) {
  const response = await gateway.post("/v1/chat/completions", chat("another"));
  assert.equal(response.status, 200, await response.text());
}

test("a client that does not read on for longer than idle gets its whole stream, and nobody is blamed", async () => {
  const EVENTS = 4000;
  const word = "x".repeat(4000);
  await using upstream = startUpstream(({ text }) => {
    if (!text.includes('"stream":true')) return completion("hello");
    const events: object[] = Array.from({ length: EVENTS }, () => chunk({ content: word }));
    return sse([...events, chunk({}, "stop"), "[DONE]"]);
  });
  await using gateway = await standFor(upstream);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: gateway.port });
  const body = request(chat("long", { stream: true }));
  await conn.write(
    new TextEncoder().encode(body.replace("host: gateway", "host: gateway\r\nconnection: close")),
  );
  await waitFor(() => upstream.seen.length === 1, "the stream");
  // What buffers hold is no progress: nothing moves for three times `idle`, and nothing is to come of it.
  for (let n = 0; n < 6; n++) {
    await servesOthers(gateway);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  let text = "";
  for await (const piece of conn.readable.pipeThrough(new TextDecoderStream())) text += piece;
  // Chunks end where they like, within an event, too.
  text = text.replace(/\r\n[0-9a-f]+\r\n/g, "");
  assert.match(text, /data: \[DONE\]/);
  assert.equal(text.split(`"content":"${word}"`).length - 1, EVENTS);
  assert.equal(upstream.seen.filter(({ text }) => text.includes("long")).length, 1);
  await assertInnocent(gateway.url);
});

test("a body that comes slowly holds no place at an instance, and is no failure of one", async () => {
  await using upstream = startUpstream(() => completion("hello"));
  await using gateway = await startGatewayFor([upstream.url], { body_timeout: 3 });
  const whole = chat("slow but steady".padEnd(3000, "."));
  const pieces = whole.match(/[^]{1,300}/g)!;
  const steady = rawRequest({
    port: gateway.port,
    parts: [head(whole.length), ...pieces],
    pauseMs: 400,
    until: ({ body }) => body.includes("hello"),
    deadlineMs: 60_000,
  });
  const stopped = rawRequest({
    port: gateway.port,
    parts: [head(1000), '{"model":"demo"'],
    until: ({ status }) => status !== null,
    deadlineMs: 60_000,
  });
  await servesOthers(gateway);
  await waitFor(async () => (await blame(gateway.url)).in_flight === 0, "no place to be held");
  assert.equal((await stopped).status, 408);
  assert.equal((await steady).status, 200);
  await assertInnocent(gateway.url);
  assert.equal(upstream.seen.length, 2, "what never came whole was asked of nobody");
});

test("requests that are sent in one go are answered in their order, each once, and others between them", async () => {
  const COUNT = 20;
  await using upstream = startUpstream(({ text }) => {
    const { messages: [{ content }], stream } = JSON.parse(text);
    return stream
      ? sse([chunk({ role: "assistant", content }), chunk({}, "stop"), "[DONE]"])
      : completion(content);
  });
  await using gateway = await standFor(upstream);
  const bodies = Array.from(
    { length: COUNT },
    (_, n) => chat(`number ${n};`, { stream: n % 3 === 0 }),
  );
  const pipeline = rawRequest({
    port: gateway.port,
    parts: [bodies.map(request).join("")],
    until: ({ text }) => text.includes(`number ${COUNT - 1};`),
    deadlineMs: 60_000,
  });
  await servesOthers(gateway);
  const { text } = await pipeline;
  const order = [...text.matchAll(/number (\d+);/g)].map(([, n]) => Number(n));
  assert.deepEqual(order, Array.from({ length: COUNT }, (_, n) => n));
  assert.equal(text.split("HTTP/1.1 200 OK").length - 1, COUNT);
  assert.equal(upstream.seen.length, COUNT + 1);
  await assertInnocent(gateway.url);
});

test("a broken request behind a good one costs the good one nothing, and instances hear of neither's fault", async () => {
  await using upstream = startUpstream(() => completion("hello"));
  await using gateway = await standFor(upstream);
  for (
    const broken of [
      "GARBAGE\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
    ]
  ) {
    const before = upstream.seen.length;
    const { text, ended } = await rawRequest({
      port: gateway.port,
      parts: [request(chat("good")) + broken],
    });
    assert.match(text, /^HTTP\/1\.1 200 OK[^]*hello[^]*HTTP\/1\.1 400 /, broken);
    assert.equal(ended, "closed");
    assert.equal(upstream.seen.length, before + 1);
  }
  await assertInnocent(gateway.url);
});

test("a client that sends several requests and leaves is served none of the rest", async () => {
  let cut = 0;
  await using upstream = startUpstream(async (_, asked) => {
    await new Promise<void>((resolve) => {
      asked.signal.addEventListener("abort", () => {
        cut++;
        resolve();
      });
    });
    return completion("too late");
  });
  await using gateway = await startGatewayFor([upstream.url]);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: gateway.port });
  await conn.write(new TextEncoder().encode([1, 2, 3].map((n) => request(chat(`${n}`))).join("")));
  await waitFor(() => upstream.seen.length === 1, "the first");
  conn.close();
  await waitFor(() => cut === 1, "the instance to hear of it");
  await assertInnocent(gateway.url);
  assert.equal(upstream.seen.length, 1);
});

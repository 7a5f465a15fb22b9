// The client's own mistakes: the instance's answer reaches the client untouched, it was asked once,
// nobody else was, and no instance's health suffers. So do answers that are odd but are answers.

import assert from "node:assert/strict";
import { rawRequest } from "../support/raw_http.ts";
import { readSse } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import {
  assertNothingRecorded,
  chatBody,
  errorOf,
  exactRecordsOf,
  healthOf,
  settled,
  startFleet,
  startGatewayFor,
} from "./fleet.ts";
import { chunk, completion, startOddServer, whole } from "./odd_server.ts";

/** One odd private instance, and a fallback that must not be asked. */
async function oddStand(answer: string, config: Record<string, unknown> = {}) {
  const odd = await startOddServer((call) => call.write(answer));
  const paid = await startOddServer((call) => call.write(whole(completion("paid for"))));
  const gateway = await startGatewayFor([odd.url], {
    fallback_instances: [{ url: paid.url, model_name: "demo", name: "paid-0" }],
    ...config,
  });
  return {
    odd,
    paid,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await odd[Symbol.asyncDispose]();
      await paid[Symbol.asyncDispose]();
    },
  };
}

const REASONS: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  413: "Request Entity Too Large",
  415: "Unsupported Media Type",
  418: "I'm a teapot",
  422: "Unprocessable Entity",
};

for (const status of Object.keys(REASONS).map(Number)) {
  for (const stream of [false, true]) {
    Deno.test(`${status}, ${stream ? "streamed" : "whole"}: passes byte for byte, asked once`, async () => {
      const body =
        `{ "error":{"message":"no \\u00e9 here","big":12345678901234567890,"code":${status}}}`;
      const head = `HTTP/1.1 ${status} ${REASONS[status]}\r\n` +
        "content-type: application/json; charset=utf-8\r\nx-ratelimit-remaining: 7\r\n" +
        `content-length: ${body.length}\r\n\r\n`;
      await using s = await oddStand(head + body);
      const response = await s.gateway.post("/v1/chat/completions", chatBody({ stream }));
      assert.equal(response.status, status);
      assert.equal(await response.text(), body);
      assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
      assert.equal(response.headers.get("x-ratelimit-remaining"), "7");
      assert.equal(response.headers.get("x-gateway-instance"), "sim-0");
      assert.ok(response.headers.get("x-request-id"));
      assert.deepEqual([s.odd.calls.length, s.paid.calls.length], [1, 0]);
      const health = await healthOf(s.gateway);
      assert.equal(health.instances[0].recent_errors, 0);
      assert.equal(health.instances[0].state, "healthy");
      // The client's mistake is no conversation, complete or not.
      await settled(s.gateway);
      await assertNothingRecorded(s.gateway);
    });
  }
}

Deno.test("400 again and again ejects nobody", async () => {
  await using fleet = await startFleet({ config: { error_threshold: 2 }, fallbacks: 1 });
  for (const index of [0, 1]) await fleet.simulators.fail(index, "400");
  for (let i = 0; i < 12; i++) {
    const error = await errorOf(await fleet.chat({ stream: i % 2 === 0 }), 400, "BadRequestError");
    assert.equal(error.message, "simulated: the request is refused");
  }
  const counts = await fleet.counts();
  assert.equal(counts[0] + counts[1], 12, "each was asked once");
  assert.equal(counts[2], 0, "the fallback never was");
  const health = await fleet.health();
  for (const { state, recent_errors } of health.instances) {
    assert.deepEqual([state, recent_errors], ["healthy", 0]);
  }
  await fleet.settled();
  await fleet.gateway.stop();
  assert.equal(await fleet.errorLog(), "");
});

Deno.test("a wrong key of the client's: the instance's own 401", async () => {
  await using fleet = await startFleet({ simulate: ["--api-key", "secret"], fallbacks: 1 });
  const refused = await fleet.chat({}, { headers: { authorization: "Bearer wrong" } });
  assert.equal(refused.status, 401);
  assert.equal(await refused.text(), '{"error":"Unauthorized"}');
  const taken = await fleet.chat({}, { headers: { authorization: "Bearer secret" } });
  assert.equal(taken.status, 200);
  await taken.body?.cancel();
  const counts = await fleet.counts();
  assert.equal(counts[0] + counts[1], 2);
  assert.equal(counts[2], 0);
  await fleet.settled();
});

Deno.test("an unknown model is the gateway's own 404 and reaches nobody", async () => {
  await using fleet = await startFleet();
  const error = await errorOf(await fleet.chat({ model: "nobody" }), 404, "NotFoundError");
  assert.equal(error.message, "The model `nobody` does not exist. There is `demo`.");
  assert.equal(error.param, "model");
  assert.deepEqual(await fleet.counts(), [0, 0]);
  await assertNothingRecorded(fleet.gateway);
});

Deno.test("a body that is no JSON is the gateway's own 400 and reaches nobody", async () => {
  await using fleet = await startFleet();
  for (const body of ['{"model":"demo"', "", "hello", '{"model":7}']) {
    const response = await fleet.gateway.post("/v1/chat/completions", body);
    await errorOf(response, 400, "BadRequestError");
  }
  assert.deepEqual(await fleet.counts(), [0, 0]);
  await assertNothingRecorded(fleet.gateway);
});

Deno.test("an error of the client's inside a 200 stream reaches it, asked once", async () => {
  const error = '{"error":{"message":"bad tool","type":"BadRequestError","param":null,"code":400}}';
  const events = `data: ${error}\n\ndata: [DONE]\n\n`;
  const head = "content-type: text/event-stream\r\n";
  await using s = await oddStand(whole(events, head));
  const answer = await readSse(
    await s.gateway.post("/v1/chat/completions", chatBody({ stream: true })),
  );
  assert.deepEqual(answer.json, [JSON.parse(error)]);
  assert.ok(answer.done && answer.error === null);
  assert.deepEqual([s.odd.calls.length, s.paid.calls.length], [1, 0]);
  const health = await healthOf(s.gateway);
  assert.equal(health.instances[0].recent_errors, 0);
  await settled(s.gateway);
  await assertNothingRecorded(s.gateway);
});

Deno.test("501, and a redirect about a slash, are answers: they pass, and are no success", async () => {
  const slash = "location: /v1/chat/completions/\r\ncontent-type: text/plain\r\n";
  for (
    const head of [
      "HTTP/1.1 501 Not Implemented\r\ncontent-type: application/json\r\n",
      `HTTP/1.1 307 Temporary Redirect\r\n${slash}`,
    ]
  ) {
    await using s = await oddStand(`${head}content-length: 2\r\n\r\n{}`);
    const response = await s.gateway.post("/v1/chat/completions", chatBody(), {
      redirect: "manual",
    });
    assert.equal(response.status, Number(head.split(" ")[1]));
    if (response.status === 307) {
      assert.equal(response.headers.get("location"), "/v1/chat/completions/");
    }
    assert.equal(await response.text(), "{}");
    assert.deepEqual([s.odd.calls.length, s.paid.calls.length], [1, 0]);
    await settled(s.gateway);
    assert.equal((await healthOf(s.gateway)).instances[0].state, "healthy");
  }
});

const REDIRECTS = [
  ["301 Moved Permanently", "https://llm.example.com/v1/chat/completions"],
  ["302 Found", "/login"],
  ["308 Permanent Redirect", "/v1/chat/completions?x=1"],
] as const;

Deno.test("an instance that redirects instead of answering is misconfigured: others answer", async () => {
  for (const [status, location] of REDIRECTS) {
    for (
      const [path, more] of [["chat/completions", {}], ["embeddings", { input: "x" }]] as const
    ) {
      for (const stream of path === "embeddings" ? [false] : [false, true]) {
        const head = `HTTP/1.1 ${status}\r\nlocation: ${location}\r\n`;
        await using s = await oddStand(
          `${head}content-type: text/html\r\ncontent-length: 0\r\n\r\n`,
        );
        const body = { ...chatBody(), ...more, ...stream ? { stream } : {} };
        const response = await s.gateway.post(`/v1/${path}`, body, { redirect: "manual" });
        assert.equal(response.headers.get("x-gateway-instance"), "paid-0", status);
        await response.body?.cancel();
        assert.equal((await healthOf(s.gateway)).instances[0].state, "misconfigured");
        await settled(s.gateway);
        const told = /redirects instead of answering \(30\d\): `url` is not/;
        await waitFor(() => told.test(s.gateway.output()), "the operator to be told");
      }
    }
  }
});

Deno.test("a redirect that may be one client's alone takes the instance from nobody else", async () => {
  const head = "HTTP/1.1 302 Found\r\nlocation: /login\r\n";
  await using s = await oddStand(`${head}content-length: 0\r\n\r\n`);
  const headers = { authorization: "Bearer of-the-client" };
  const response = await s.gateway.post("/v1/chat/completions", chatBody(), { headers });
  assert.equal(response.headers.get("x-gateway-instance"), "paid-0");
  await response.body?.cancel();
  assert.equal((await healthOf(s.gateway)).instances[0].state, "healthy");
});

Deno.test("an HTML page in place of a chat answer is a failure, not an answer", async () => {
  const page = "<html><body>502 behind a proxy that says 200</body></html>";
  await using s = await oddStand(whole(page, "content-type: text/html\r\n"));
  for (const stream of [false, true]) {
    const response = await s.gateway.post("/v1/chat/completions", chatBody({ stream }));
    assert.equal(response.headers.get("x-gateway-instance"), "paid-0");
    assert.match(await response.text(), /paid for/);
  }
  assert.deepEqual([s.odd.calls.length, s.paid.calls.length], [2, 2]);
  await settled(s.gateway);
});

Deno.test("without anyone else an HTML page becomes the gateway's 502", async () => {
  const page = "<html><body>hello</body></html>";
  await using s = await oddStand(whole(page, "content-type: text/html\r\n"), {
    fallback_instances: [],
  });
  const error = await errorOf(
    await s.gateway.post("/v1/chat/completions", chatBody()),
    502,
    "BadGatewayError",
  );
  assert.match(error.message, /sim-0: sent an answer that is no whole JSON/);
  await exactRecordsOf(s.gateway, 0, 1);
  await settled(s.gateway);
});

Deno.test("an error with status 200 in place of an answer is a failure, unless it is the client's", async () => {
  for (
    const error of [
      '{"error":{"message":"out of memory","type":"InternalServerError","code":500}}',
      '{"object":"error","message":"out of memory","code":50002}',
      '{"error": "out of memory"}',
    ]
  ) {
    await using s = await oddStand(whole(error));
    const response = await s.gateway.post("/v1/chat/completions", chatBody());
    assert.match(await response.text(), /paid for/, error);
    const { complete } = await exactRecordsOf(s.gateway, 1, 0);
    assert.equal(complete[0].meta.attempts?.[0].error, "it sent an error: out of memory");
    await settled(s.gateway);
  }
  const own = '{"error":{"message":"bad tool","type":"BadRequestError","code":400}}';
  await using s = await oddStand(whole(own));
  const response = await s.gateway.post("/v1/chat/completions", chatBody());
  assert.equal(await response.text(), own);
  assert.deepEqual([s.odd.calls.length, s.paid.calls.length], [1, 0]);
  await settled(s.gateway);
});

Deno.test("what is no conversation passes whatever it is", async () => {
  const audio = "\x00\x01\xffRIFF";
  await using s = await oddStand(whole(audio, "content-type: audio/wav\r\n"));
  const response = await s.gateway.post("/v1/audio/speech", { model: "demo", input: "hi" });
  assert.equal(response.headers.get("content-type"), "audio/wav");
  const bytes = new Uint8Array(await response.arrayBuffer());
  assert.deepEqual([...bytes], [...audio].map((character) => character.charCodeAt(0)));
  assert.equal(s.paid.calls.length, 0);
  await settled(s.gateway);
});

Deno.test("an answer that comes compressed, though it was not to, arrives as the answer it is", async () => {
  const text = completion("small");
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  const body = String.fromCharCode(...packed);
  const head = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
  await using s = await oddStand(whole(body, head));
  const response = await s.gateway.post("/v1/chat/completions", chatBody());
  assert.equal(response.status, 200);
  // The client's own fetch unpacks it where the gateway's transport has not.
  assert.equal(await response.text(), text);
  assert.match(s.odd.calls[0].text, /\r\naccept-encoding: identity\r\n/i);
  assert.deepEqual([s.odd.calls.length, s.paid.calls.length], [1, 0]);
  await settled(s.gateway);
});

Deno.test("odd header fields pass or are dropped, and never break the answer's framing", async () => {
  const body = completion("fine");
  const head = [
    "HTTP/1.1 200 OK",
    "Content-Type: application/json",
    "Connection: keep-alive, x-private",
    "X-Private: for the next hop only",
    "Keep-Alive: timeout=5",
    "Proxy-Authenticate: Basic",
    "X-Request-Id: another",
    "X-Gateway-Instance: somebody else",
    "Set-Cookie: a=1",
    "Set-Cookie: b=2",
    "X-Empty:",
    "x-latin: caf\xe9",
    "X-Spaces:    around   ",
    `Content-Length: ${body.length}`,
  ].join("\r\n");
  await using s = await oddStand(`${head}\r\n\r\n${body}`);
  const request = JSON.stringify(chatBody());
  const answer = await rawRequest({
    port: s.gateway.port,
    parts: [
      "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx-request-id: mine\r\n" +
      `content-type: application/json\r\ncontent-length: ${request.length}\r\n` +
      `connection: close\r\n\r\n${request}`,
    ],
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, body);
  const lines = answer.text.slice(0, answer.text.indexOf("\r\n\r\n")).toLowerCase().split("\r\n");
  const values = (name: string) =>
    lines.filter((line) => line.startsWith(`${name}:`)).map((line) =>
      line.slice(name.length + 1).trim()
    );
  assert.deepEqual(values("set-cookie"), ["a=1", "b=2"]);
  assert.deepEqual(values("x-request-id"), ["mine"]);
  assert.deepEqual(values("x-gateway-instance"), ["sim-0"]);
  assert.deepEqual(values("x-private"), []);
  assert.deepEqual(values("proxy-authenticate"), []);
  assert.deepEqual(values("keep-alive"), []);
  assert.deepEqual(values("content-length"), [String(body.length)]);
  assert.deepEqual(values("x-empty"), [""]);
  assert.deepEqual(values("x-latin"), ["caf\xe9"]);
  assert.deepEqual(values("x-spaces"), ["around"]);
  await settled(s.gateway);
  await exactRecordsOf(s.gateway, 1, 0);
});

for (
  const [what, answer] of [
    ["two lengths that differ", "content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"],
    ["a length that is no number", "content-length: many\r\n\r\nhello"],
    ["a field name with a space", "bad name: x\r\ncontent-length: 2\r\n\r\n{}"],
    ["a folded field", "x-a: b\r\n folded\r\ncontent-length: 2\r\n\r\n{}"],
  ] as const
) {
  Deno.test(`an answer's head with ${what} is a failure of that instance or is taken whole`, async () => {
    await using s = await oddStand(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${answer}`,
    );
    const response = await s.gateway.post("/v1/chat/completions", chatBody());
    const text = await response.text();
    assert.equal(response.status, 200);
    // fetch is more lenient than the gateway's own client in what it takes for HTTP.
    if (response.headers.get("x-gateway-instance") === "paid-0") assert.match(text, /paid for/);
    else assert.equal(text, "{}");
    await settled(s.gateway);
  });
}

Deno.test("a chat stream that the instance closes without a length is read to its end", async () => {
  const events = chunk({ role: "assistant", content: "to the end" }) + chunk({}, "stop") +
    "data: [DONE]\n\n";
  await using odd = await startOddServer((call) => {
    call.write(`HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n${events}`);
    call.end();
  });
  await using gateway = await startGatewayFor([odd.url]);
  const response = await gateway.post("/v1/chat/completions", chatBody({ stream: true }));
  assert.equal(await response.text(), events);
  await exactRecordsOf(gateway, 1, 0);
  await settled(gateway);
});

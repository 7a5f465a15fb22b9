// What the own listener alone does, with a handler of the test's own, on real sockets: its time limits,
// its bounds, the order of requests sent ahead.

import { ANY_BODY } from "../support/body_hold.ts";
import { isolateBytes } from "../support/memory.ts";
import assert from "node:assert/strict";
import { RequestError } from "../../lib/http/client.ts";
import { listenHttp1 } from "../../lib/server/listener/http1.ts";
import { bytesOf, latin1 } from "../http/scripted.ts";
import { comesToRest, waitFor } from "../support/wait.ts";
import { Door, echo, ends, host, isOpenAiError, LIMIT_BYTES } from "./door.ts";

const http1 = (behaviour: string, test: () => Promise<void>) =>
  Deno.test(`http1: ${behaviour}`, test);

http1(
  "whatever is malformed is refused in the shape of the OpenAI API, and the connection closed",
  async () => {
    await using door = new Door(listenHttp1, echo);
    const refused: [bytes: string, status: number][] = [
      ["GET /\r\n\r\n", 400],
      [`GET ftp://a/ HTTP/1.1\r\n${host}\r\n`, 400],
      [`GET /\0 HTTP/1.1\r\n${host}\r\n`, 400],
      ["GET / HTTP/1.1\nhost: a\n\n", 400],
      [`POST / HTTP/1.1\r\n${host}content-length: 1\r\ncontent-length: 2\r\n\r\nx`, 400],
      [`POST / HTTP/1.1\r\n${host}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx`, 400],
      [`GET /${"x".repeat(70_000)} HTTP/1.1\r\n${host}\r\n`, 414],
      [`GET / HTTP/1.1\r\n${host}${"x: y\r\n".repeat(200)}\r\n`, 431],
      [`GET / HTTP/1.1\r\n${host}x: ${"y".repeat(70_000)}\r\n\r\n`, 431],
      [`POST / HTTP/1.1\r\n${host}transfer-encoding: gzip\r\n\r\n`, 501],
      ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
      ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400],
    ];
    for (const [bytes, status] of refused) {
      const answer = await door.raw([bytesOf(bytes)], { halfClose: true });
      isOpenAiError(answer, status);
      assert.equal(answer.headers["content-type"], "application/json");
      assert.equal(answer.headers["connection"], "close");
      assert.equal(answer.ended, "closed");
    }
    assert.equal(door.begun, 0);
  },
);

http1("a head that takes too long is answered with 408, however it trickles", async () => {
  await using door = new Door(listenHttp1, echo, { headTimeoutS: 0.3 });
  isOpenAiError(await door.raw(["GET / HTTP/1.1\r\n"]), 408);
  const drops = `GET / HTTP/1.1\r\n${host}${"x: y\r\n".repeat(50)}`.split("");
  isOpenAiError(await door.raw(drops, { pauseMs: 10 }), 408);
  assert.equal(door.begun, 0);
});

http1("a body that pauses, or drips, is answered with 408", async () => {
  const failures: number[] = [];
  await using door = new Door(listenHttp1, async (request, reply) => {
    try {
      await request.readBody(LIMIT_BYTES, ANY_BODY);
    } catch (error) {
      if (error instanceof RequestError) failures.push(error.status);
    }
    await reply.send(200, [], new Uint8Array(0));
  }, { bodyTimeoutS: 0.3 });
  const length = `POST / HTTP/1.1\r\n${host}content-length: 1000\r\n\r\n`;
  const chunked = `POST / HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\n`;
  isOpenAiError(await door.raw([`${length}x`]), 408);
  isOpenAiError(await door.raw([`${chunked}3\r\nx`]), 408);
  isOpenAiError(await door.raw([length, ..."x".repeat(300)], { pauseMs: 10 }), 408);
  isOpenAiError(await door.raw([chunked, ...Array(300).fill("1\r\nx\r\n")], { pauseMs: 10 }), 408);
  await waitFor(() => failures.length === 4, "every handler to hear of it");
  assert.deepEqual(failures, [408, 408, 408, 408]);
});

http1("a body that comes slowly but steadily is taken", async () => {
  await using door = new Door(listenHttp1, echo, { bodyTimeoutS: 1 });
  const parts = Array<string>(150).fill("x".repeat(100));
  const head = `POST / HTTP/1.1\r\n${host}content-length: 15000\r\n\r\n`;
  const answer = await door.raw([head, ...parts], {
    pauseMs: 10,
    until: ({ body }) => body.length === 15_000,
  });
  assert.equal(answer.status, 200);
});

http1("what came fast of a body buys little time for the rest", async () => {
  await using door = new Door(listenHttp1, echo, { bodyTimeoutS: 0.3 });
  const head = `POST / HTTP/1.1\r\n${host}content-length: 500300\r\n\r\n`;
  const dripping = [head, "x".repeat(500_000), ..."x".repeat(300)];
  isOpenAiError(await door.raw(dripping, { pauseMs: 10 }), 408);
});

http1("a connection on which nothing is asked is closed after its time", async () => {
  await using door = new Door(listenHttp1, echo, { idleTimeoutS: 0.2 });
  assert.deepEqual(
    await door.raw([]).then(({ text, ended }) => [text, ended]),
    ["", "closed"],
  );
  const used = await door.raw([`GET / HTTP/1.1\r\n${host}\r\n`]);
  assert.deepEqual([used.status, used.ended], [200, "closed"]);
});

http1("an address may hold so many connections; when one is gone there is room again", async () => {
  await using door = new Door(listenHttp1, echo, { maxConnectionsPerAddress: 2 });
  const get = `GET / HTTP/1.1\r\n${host}\r\n`;
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: door.port });
  using one = await connect();
  {
    using _two = await connect();
    for (let i = 0; i < 3; i++) {
      const answer = await door.raw([get]);
      isOpenAiError(answer, 429);
      assert.equal(answer.ended, "closed");
    }
  }
  await waitFor(async () => {
    const { status } = await door.raw([get], { until: ends(1) });
    return status === 200;
  }, "room for another connection");
  await one.write(bytesOf(get));
  assert.ok((await one.read(new Uint8Array(1000)))! > 0);
});

http1("requests sent ahead are answered one at a time, in their order", async () => {
  let most = 0;
  let running = 0;
  await using door = new Door(listenHttp1, async (request, reply) => {
    most = Math.max(most, ++running);
    const body = await request.readBody(LIMIT_BYTES, ANY_BODY);
    await new Promise((resolve) => setTimeout(resolve, 2));
    await reply.send(200, [], bytesOf(`<${latin1(body)}>`));
    running--;
  });
  const posts = Array.from({ length: 20 }, (_, i) => {
    const body = `${i}`.repeat(50);
    return `POST / HTTP/1.1\r\n${host}content-length: ${body.length}\r\n\r\n${body}`;
  });
  const { text } = await door.raw([posts.join("")], { until: ends(20) });
  const answers = [...text.matchAll(/<(\d+)>/g)].map((match) => match[1]);
  assert.deepEqual(answers.slice(0, 19), Array.from({ length: 19 }, (_, i) => `${i}`.repeat(50)));
  assert.equal(most, 1);
});

http1("a client that sends without end while it is answered takes bounded memory", async () => {
  const release = Promise.withResolvers<void>();
  await using door = new Door(listenHttp1, async (_, reply) => {
    await release.promise;
    await reply.send(200, [], new Uint8Array(0));
  });
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: door.port });
  await conn.write(bytesOf(`GET / HTTP/1.1\r\n${host}\r\n`));
  let sent = 0;
  const flood = (async () => {
    const piece = new Uint8Array(65_536).fill(120);
    // Reset or closed at the end of the test.
    for (; sent < 1 << 28;) sent += await conn.write(piece).catch(() => 1 << 30);
  })();
  await comesToRest(() => sent, "the client to be held back");
  assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes were taken`);
  release.resolve();
  await door.listener.close();
  await flood;
});

http1("100 Continue is sent when the body is asked for, and only to who waits for it", async () => {
  await using door = new Door(listenHttp1, async (request, reply) => {
    if (request.target === "/unread") return await reply.send(404, [], bytesOf("no"));
    await echo(request, reply);
  });
  const expecting = (target: string, length: number) =>
    `POST ${target} HTTP/1.1\r\n${host}expect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`;
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: door.port });
  await conn.write(bytesOf(expecting("/", 5)));
  const buffer = new Uint8Array(1000);
  const first = await conn.read(buffer);
  assert.equal(latin1(buffer.subarray(0, first!)), "HTTP/1.1 100 Continue\r\n\r\n");
  await conn.write(bytesOf("hello"));
  const second = await conn.read(buffer);
  assert.match(latin1(buffer.subarray(0, second!)), /^HTTP\/1\.1 200 OK\r\n[^]*hello$/);

  const together = await door.raw([`${expecting("/", 5)}hello`], { until: ends(1) });
  assert.equal(together.status, 200);
  const unread = await door.raw([expecting("/unread", 5)], { halfClose: true });
  assert.equal(unread.status, 404);
  const tooLarge = await door.raw([expecting("/", LIMIT_BYTES + 1)], { halfClose: true });
  isOpenAiError(tooLarge, 413);
});

http1("a client of HTTP/1.0 gets a stream without chunks, ended by the connection", async () => {
  await using door = new Door(listenHttp1, async (_, reply) => {
    reply.begin(200, [], null);
    await reply.write(bytesOf("one "));
    await reply.write(bytesOf("two"));
    await reply.end();
  });
  const answer = await door.raw(["GET / HTTP/1.0\r\n\r\n"]);
  assert.equal(answer.body, "one two");
  assert.equal(answer.headers["transfer-encoding"], undefined);
  assert.equal(answer.ended, "closed");
});

http1("an answer of another length than announced is cut", async () => {
  await using door = new Door(listenHttp1, async (request, reply) => {
    reply.begin(200, [], 5);
    await reply.write(bytesOf(request.target === "/short" ? "abc" : "abcdefgh"));
    await reply.end();
  });
  for (const target of ["/short", "/long"]) {
    const { body, ended } = await door.raw([`GET ${target} HTTP/1.1\r\n${host}\r\n`]);
    assert.ok(body.length < 5, body);
    assert.notEqual(ended, "open");
  }
});

// nginx does the same: nothing tells a half-closed connection from one whose client has left.
http1("a client that closes its sending side before the answer counts as gone", async () => {
  let left = 0;
  await using door = new Door(listenHttp1, async (request) => {
    await new Promise<void>((resolve) => request.onGone(resolve));
    left++;
  });
  const get = `GET / HTTP/1.1\r\n${host}\r\n`;
  assert.equal((await door.raw([get], { halfClose: true })).ended, "closed");
  assert.equal(left, 1);
});

http1("a handler that fails is answered with 500, and reported", async () => {
  const door = new Door(listenHttp1, async (request, reply) => {
    if (request.target === "/late") {
      reply.begin(200, [], null);
      await reply.write(bytesOf("some"));
    }
    throw new Error("a defect");
  });
  const early = await door.raw([`GET / HTTP/1.1\r\n${host}\r\n`], {
    until: ({ body }) => body.endsWith("}}"),
  });
  isOpenAiError(early, 500);
  assert.doesNotMatch(early.text, /a defect/);
  const late = await door.raw([`GET /late HTTP/1.1\r\n${host}\r\n`]);
  assert.ok(!late.body.includes("0\r\n\r\n") && late.ended !== "open");
  await door.listener.close();
  assert.deepEqual(door.errors.map(String), ["Error: a defect", "Error: a defect"]);
});

http1("a body of a million chunks of one byte takes memory for a million bytes", async () => {
  let size = 0;
  await using door = new Door(listenHttp1, async (request, reply) => {
    size = (await request.readBody(LIMIT_BYTES, ANY_BODY)).length;
    await reply.send(200, [], new Uint8Array(0));
  });
  const before = isolateBytes();
  const many = "1\r\nx\r\n".repeat(100_000);
  const { status } = await door.raw(
    [
      `POST / HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\n`,
      ...Array<string>(10).fill(many),
      "0\r\n\r\n",
    ],
    { until: ends(1) },
  );
  assert.equal(status, 200);
  assert.equal(size, 1_000_000);
  const more = isolateBytes() - before;
  assert.ok(more < 150 * 1024 * 1024, `${more} bytes more`);
});

// The door to clients (lib/server/listener.ts) with a handler of the test's own, on real sockets: what
// both listeners promise, then what only http1 does. Syntax by the letter is tested in tests/http, the
// limits of a whole gateway in listener_limits_test.ts.

import { Descriptors } from "../../lib/http/descriptors.ts";
import assert from "node:assert/strict";
import type { ClientReply, ClientRequest } from "../../lib/http/client.ts";
import { RequestError } from "../../lib/http/client.ts";
import { openAiErrorBody } from "../../lib/http/openai_error.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import type { Listener, ListenOptions } from "../../lib/server/listener.ts";
import { AddressCounts } from "../../lib/server/listener/address_counts.ts";
import { listenDenoServe } from "../../lib/server/listener/deno_serve.ts";
import { listenHttp1 } from "../../lib/server/listener/http1.ts";
import { bytesOf, latin1 } from "../http/scripted.ts";
import { rawRequest } from "../support/raw_http.ts";
import { waitFor, within } from "../support/wait.ts";

const LIMIT_BYTES = 1 << 20;
const JSON_TYPE = [["content-type", "application/json"]] as const;
const host = "host: a\r\n";

type Exchange = (request: ClientRequest, reply: ClientReply) => Promise<void>;

/** A listener that counts what is going on in it. */
class Door implements AsyncDisposable {
  readonly errors: unknown[] = [];
  /** Handlers that have begun, and that run. */
  begun = 0;
  running = 0;
  readonly listener: Listener;

  constructor(open: typeof listenHttp1, handle: Exchange, options: Partial<ListenOptions> = {}) {
    this.listener = open({
      hostname: "127.0.0.1",
      port: 0,
      reusePort: false,
      certificate: null,
      headTimeoutS: 10,
      bodyTimeoutS: 10,
      idleTimeoutS: 10,
      maxConnectionsPerAddress: 0,
      addresses: new AddressCounts(SharedState.create()),
      descriptors: new Descriptors(() => {}),
      errorFields: () => [],
      onError: (error) => this.errors.push(error),
      ...options,
    }, async (request, reply) => {
      this.begun++;
      this.running++;
      try {
        await handle(request, reply);
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        const body = openAiErrorBody(error.status, error.message);
        await reply.send(error.status, JSON_TYPE, body);
      } finally {
        this.running--;
      }
    });
  }

  get port(): number {
    return this.listener.port;
  }

  raw(parts: (string | Uint8Array)[], more: Partial<Parameters<typeof rawRequest>[0]> = {}) {
    return rawRequest({ port: this.port, parts, ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close();
    await waitFor(() => this.running === 0, "every handler to end");
    assert.deepEqual(this.errors, []);
  }
}

const LISTENERS: [name: string, open: typeof listenHttp1][] = [
  ["http1", listenHttp1],
  ["deno_serve", listenDenoServe],
];

function both(behaviour: string, test: (open: typeof listenHttp1, name: string) => Promise<void>) {
  for (const [name, open] of LISTENERS) Deno.test(`${name}: ${behaviour}`, () => test(open, name));
}

const echo: Exchange = async (request, reply) => {
  const body = await request.readBody(LIMIT_BYTES);
  await reply.send(200, [["x-request", `${request.method} ${request.target}`]], body);
};

/** Checks that an answer is an error as the OpenAI API and vLLM give it. */
function isOpenAiError(answer: { status: number | null; body: string }, status: number): void {
  assert.equal(answer.status, status, answer.body);
  const { error } = JSON.parse(answer.body);
  assert.equal(error.code, status);
  assert.equal(typeof error.message, "string");
  assert.equal(typeof error.type, "string");
  assert.ok("param" in error);
}

function ends(count: number) {
  return ({ text }: { text: string }) => text.split("HTTP/1.1 200").length > count;
}

both("requests of every form arrive whole, one after the other on a connection", async (open) => {
  await using door = new Door(open, echo);
  const requests = [
    `GET /v1/x?y=z HTTP/1.1\r\n${host}\r\n`,
    `POST /a HTTP/1.1\r\n${host}content-length: 5\r\n\r\nhello`,
    `POST /b HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
  ];
  for (const size of [1, 7, 1000]) {
    const all = requests.join("");
    const parts = Array.from(
      { length: Math.ceil(all.length / size) },
      (_, i) => all.slice(i * size, (i + 1) * size),
    );
    const { text } = await door.raw(parts, {
      until: ({ text }) => text.endsWith("abcde"),
    });
    assert.match(text, /x-request: GET \/v1\/x\?y=z\r\n[^]*hello[^]*x-request: POST \/b\r\n/);
  }
  assert.equal(door.begun, 9);
});

both("a body beyond the limit is refused, by its length and as it comes", async (open) => {
  await using door = new Door(open, echo);
  const head = `POST / HTTP/1.1\r\n${host}`;
  const declared = await door.raw([`${head}content-length: ${LIMIT_BYTES + 1}\r\n\r\n`], {
    until: ({ body }) => body.endsWith("}}"),
  });
  isOpenAiError(declared, 413);
  const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
  const chunked = await door.raw(
    [`${head}transfer-encoding: chunked\r\n\r\n`, ...Array(17).fill(chunk)],
    { until: ({ body }) => body.endsWith("}}") },
  );
  isOpenAiError(chunked, 413);
});

both("a client hears of its 413 although it is still sending", async (open) => {
  await using door = new Door(open, echo);
  const response = await fetch(`http://127.0.0.1:${door.port}/`, {
    method: "POST",
    body: new Uint8Array(40 * LIMIT_BYTES),
  });
  isOpenAiError({ status: response.status, body: await response.text() }, 413);
});

both("a client that leaves in the middle of its body makes the reading fail", async (open) => {
  const failures: number[] = [];
  await using door = new Door(open, async (request, reply) => {
    try {
      await request.readBody(LIMIT_BYTES);
    } catch (error) {
      if (error instanceof RequestError) failures.push(error.status);
      throw error;
    }
    await reply.send(200, [], new Uint8Array(0));
  });
  for (
    const framing of ["content-length: 9\r\n\r\nhel", "transfer-encoding: chunked\r\n\r\n9\r\nhel"]
  ) {
    await door.raw([`POST / HTTP/1.1\r\n${host}${framing}`], { deadlineMs: 50 });
  }
  await waitFor(() => failures.length === 2, "both handlers to hear of it");
  assert.deepEqual(failures, [400, 400]);
});

both("a client that leaves before the answer is noticed at once", async (open) => {
  let left = 0;
  await using door = new Door(open, async (request) => {
    await request.readBody(LIMIT_BYTES);
    await new Promise<void>((resolve) => request.onGone(resolve));
    assert.ok(request.gone);
    left++;
  });
  await door.raw([`GET / HTTP/1.1\r\n${host}\r\n`], { deadlineMs: 50 });
  await door.raw([`POST / HTTP/1.1\r\n${host}content-length: 2\r\n\r\nhi`], { deadlineMs: 50 });
  await waitFor(() => left === 2, "both handlers to hear of it");
});

both("any number may wait for a client to leave, and each may take it back", async (open) => {
  const told: string[] = [];
  let after = false;
  await using door = new Door(open, async (request) => {
    const takeBack = request.onGone(() => told.push("taken back"));
    request.onGone(() => told.push("first"));
    const takeSecondBack = request.onGone(() => told.push("second"));
    request.onGone(() => takeThirdBack());
    const takeThirdBack = request.onGone(() => told.push("third"));
    takeBack();
    takeBack();
    await new Promise<void>((resolve) => request.onGone(resolve));
    takeSecondBack();
    const takeLateBack = request.onGone(() => told.push("late"));
    takeLateBack();
    after = true;
  });
  await door.raw([`GET / HTTP/1.1\r\n${host}\r\n`], { deadlineMs: 50 });
  await waitFor(() => after, "the handler to hear of it");
  assert.deepEqual(told, ["first", "second", "late"]);
});

both("nobody is told that the client left once its answer was handed over", async (open) => {
  const told: string[] = [];
  await using door = new Door(open, async (request, reply) => {
    request.onGone(() => told.push(request.target));
    if (request.target === "/stream") {
      reply.begin(200, [], null);
      await reply.write(bytesOf("some"));
      await reply.end();
    } else await reply.send(200, [], bytesOf("whole"));
  });
  for (const [target, last] of [["/whole", "whole"], ["/stream", "0\r\n\r\n"]]) {
    const { status } = await door.raw([`GET ${target} HTTP/1.1\r\n${host}\r\n`], {
      until: ({ text }) => text.endsWith(last),
    });
    assert.equal(status, 200);
  }
  await waitFor(() => door.running === 0, "the handlers to end");
  // A third client's answer is later than what the first two have to tell by leaving.
  await door.raw([`GET /last HTTP/1.1\r\n${host}\r\n`], { until: ends(1) });
  assert.deepEqual(told, []);
});

both("a client that leaves in the middle of a stream ends it", async (open) => {
  let ended = 0;
  await using door = new Door(open, async (request, reply) => {
    let gone = false;
    request.onGone(() => gone = true);
    reply.begin(200, [], null);
    const piece = bytesOf("data: x\n\n");
    while (!gone) {
      await reply.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await reply.write(piece);
    await reply.end();
    ended++;
  });
  const { text } = await door.raw([`GET / HTTP/1.1\r\n${host}\r\n`], {
    until: ({ text }) => text.includes("data: x"),
  });
  assert.match(text, /transfer-encoding: chunked/i);
  await waitFor(() => ended === 1, "the stream to end");
});

both("a client that does not read holds the writer back", async (open) => {
  const MAX_AHEAD = 32 * 1024 * 1024;
  let written = 0;
  await using door = new Door(open, async (request, reply) => {
    let gone = false;
    request.onGone(() => gone = true);
    reply.begin(200, [], null);
    const piece = new Uint8Array(64 * 1024);
    while (!gone && written < 4 * MAX_AHEAD) {
      await reply.write(piece);
      written += piece.length;
    }
  });
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: door.port });
  await conn.write(bytesOf(`GET / HTTP/1.1\r\n${host}\r\n`));
  let before = -1;
  await waitFor(async () => {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return written === before && written > 0;
  }, "the writer to be held back");
  assert.ok(written < MAX_AHEAD, `${written} bytes were taken with nobody reading`);
});

both("the memory of a piece may be used again once it was written", async (open) => {
  await using door = new Door(open, async (_, reply) => {
    reply.begin(200, [], null);
    const piece = new Uint8Array(5);
    for (let i = 0; i < 10; i++) {
      piece.fill(48 + i);
      await reply.write(piece);
      piece.fill(33);
    }
    await reply.end();
  });
  const response = await fetch(`http://127.0.0.1:${door.port}/`);
  assert.equal(await response.text(), "0123456789".replace(/./g, (digit) => digit.repeat(5)));
});

both("an answer that is cut cannot be taken for a whole one", async (open) => {
  await using door = new Door(open, async (request, reply) => {
    reply.begin(200, [], request.target === "/length" ? 100 : null);
    await reply.write(bytesOf("hello"));
    reply.cut();
  });
  for (const path of ["/length", "/chunked"]) {
    const response = await fetch(`http://127.0.0.1:${door.port}${path}`).catch(() => null);
    await assert.rejects(async () => {
      if (response === null) throw new Error("not even a head");
      await response.text();
    });
  }
});

both("HEAD, 204 and 304 are answered without a body", async (open) => {
  await using door = new Door(open, async (request, reply) => {
    const status = Number(request.target.slice(1));
    await reply.send(status, [], status === 200 ? bytesOf("hello") : new Uint8Array(0));
  });
  const head = (target: string, method: string) => `${method} ${target} HTTP/1.1\r\n${host}\r\n`;
  const { text } = await door.raw(
    [head("/200", "HEAD") + head("/204", "GET") + head("/304", "GET") + head("/200", "GET")],
    { until: ({ text }) => text.endsWith("hello") },
  );
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), [200, 204, 304, 200].map((s) => `HTTP/1.1 ${s}`));
  assert.equal(text.split("hello").length, 2);
});

both(
  "draining lets answers finish, closes idle connections and takes no new ones",
  async (open) => {
    const release = Promise.withResolvers<void>();
    await using door = new Door(open, async (request, reply) => {
      if (request.target === "/slow") await release.promise;
      await reply.send(200, [], bytesOf("done"));
    });
    const idle = door.raw([`GET / HTTP/1.1\r\n${host}\r\n`]);
    const slow = door.raw([`GET /slow HTTP/1.1\r\n${host}\r\n`]);
    await waitFor(() => door.begun === 2 && door.running === 1, "one to be idle, one to be slow");
    const drained = door.listener.drain();
    assert.equal((await idle).ended, "closed");
    await assert.rejects(
      () => Deno.connect({ hostname: "127.0.0.1", port: door.port }),
      Deno.errors.ConnectionRefused,
    );
    release.resolve();
    const answer = await slow;
    assert.equal(answer.body.includes("done"), true);
    assert.equal(answer.ended, "closed");
    await within(drained, "the draining");
  },
);

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
      await request.readBody(LIMIT_BYTES);
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
    const body = await request.readBody(LIMIT_BYTES);
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
  let before = -1;
  await waitFor(async () => {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return sent === before && sent > 0;
  }, "the client to be held back");
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
    size = (await request.readBody(LIMIT_BYTES)).length;
    await reply.send(200, [], new Uint8Array(0));
  });
  const before = Deno.memoryUsage().rss;
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
  const more = Deno.memoryUsage().rss - before;
  assert.ok(more < 150 * 1024 * 1024, `${more} bytes more`);
});

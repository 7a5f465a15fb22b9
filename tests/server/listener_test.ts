// The door to clients (lib/server/listener.ts) with a handler of the test's own, on real sockets: what
// both listeners promise. What only http1 does is in listener_http1_test.ts, syntax by the letter in
// tests/http, the limits of a whole gateway in listener_limits_test.ts.

import assert from "node:assert/strict";
import { RequestError } from "../../lib/http/client.ts";
import { listenDenoServe } from "../../lib/server/listener/deno_serve.ts";
import { listenHttp1 } from "../../lib/server/listener/http1.ts";
import { bytesOf } from "../http/scripted.ts";
import { ANY_BODY } from "../support/body_hold.ts";
import { comesToRest, waitFor, within } from "../support/wait.ts";
import { Door, echo, ends, host, isOpenAiError, LIMIT_BYTES } from "./door.ts";

const LISTENERS: [name: string, open: typeof listenHttp1][] = [
  ["http1", listenHttp1],
  ["deno_serve", listenDenoServe],
];

function both(behaviour: string, test: (open: typeof listenHttp1, name: string) => Promise<void>) {
  for (const [name, open] of LISTENERS) Deno.test(`${name}: ${behaviour}`, () => test(open, name));
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

both("a request that came in part with the one before it is read to its end", async (open) => {
  await using door = new Door(open, async (request, reply) => {
    const body = await request.readBody(LIMIT_BYTES, ANY_BODY);
    await reply.send(200, [], new TextEncoder().encode(`<${body.length}>`));
  });
  for (const length of [20, 9000, 500_000]) {
    const first = `POST /a HTTP/1.1\r\n${host}content-length: 5\r\n\r\nhello`;
    const second = `POST /b HTTP/1.1\r\n${host}content-length: ${length}\r\n\r\n` +
      "x".repeat(length);
    for (const cut of [30, second.length - length, second.length - length + 9]) {
      const parts = [first + second.slice(0, cut), second.slice(cut) + first];
      const { text } = await door.raw(parts, {
        pauseMs: 30,
        until: ({ text }) => text.split("<5>").length > 2,
        deadlineMs: 5000,
      });
      assert.match(text, new RegExp(`<5>[^]*<${length}>[^]*<5>`), `cut at ${cut}`);
    }
  }
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
      await request.readBody(LIMIT_BYTES, ANY_BODY);
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
    await request.readBody(LIMIT_BYTES, ANY_BODY);
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
  await comesToRest(() => written, "the writer to be held back");
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

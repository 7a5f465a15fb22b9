// What both transports promise (lib/forward/transport.ts), on real sockets. Syntax by the letter is
// tested in tests/http, resuming and failing over in tests/faults.

import assert from "node:assert/strict";
import { isolateBytes } from "../support/memory.ts";
import { readFrom } from "../../lib/forward/transport.ts";
import { Http1Transport } from "../../lib/forward/transport/http1.ts";
import { bytesOf, latin1 } from "../http/scripted.ts";
import { comesToRest, waitFor, within } from "../support/wait.ts";
import { answering, ok, startInstance } from "./instance.ts";
import { freePort } from "../support/ports.ts";
import { ask, both, faultOf, whole } from "./calls.ts";

both("a request arrives as it was given, in one piece or several", async (transport) => {
  await using instance = startInstance(answering(() => ok("x")));
  const piece = bytesOf("0123456789abcdef".repeat(65_536));
  await whole(ask(transport, instance.url, "", {
    headers: [["x-note", "\xe4\xbd\xa0"], ["authorization", "Bearer k"]],
    body: [bytesOf("{"), piece, piece, bytesOf("}")],
  }));
  const [{ head, body }] = instance.seen;
  assert.match(head, /^POST \/v1\/completions HTTP\/1\.1\r\n/);
  assert.match(head, new RegExp(`^host: 127\\.0\\.0\\.1:${instance.port}\r$`, "m"));
  assert.match(head, /^authorization: Bearer k\r$/m);
  assert.match(head, /^x-note: \xe4\xbd\xa0\r$/m);
  assert.match(head, new RegExp(`^content-length: ${piece.length * 2 + 2}\r$`, "m"));
  assert.equal(body.length, piece.length * 2 + 2);
  assert.ok(body === `{${latin1(piece)}${latin1(piece)}}`);
});

both("a refused connection says so", async (transport) => {
  const url = `http://127.0.0.1:${freePort()}/`;
  assert.equal(await faultOf(ask(transport, url).head), "connect refused");
});

both("a host name that does not resolve says so", async (transport) => {
  assert.equal(
    await faultOf(ask(transport, "http://no-such-host.invalid:8000/").head),
    "connect dns",
  );
});

both("a connection that does not come about in time is given up", async (transport) => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr;
  // Nobody accepts, and the line of those who wait is full.
  using _one = await Deno.connect({ hostname: "127.0.0.1", port });
  using _two = await Deno.connect({ hostname: "127.0.0.1", port });
  const call = ask(transport, `http://127.0.0.1:${port}/`, "hi", { connectTimeoutS: 0.05 });
  assert.equal(await faultOf(call.head), "connect timeout");
});

both(
  "giving up before a head comes rejects with the reason and closes the socket",
  async (transport) => {
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    await using instance = startInstance(async (peer) => {
      await peer.request();
      asked.resolve();
      await peer.gone();
      closed.resolve();
    });
    const call = ask(transport, instance.url);
    await within(asked.promise, "the request");
    const reason = new Error("no answer in time");
    call.abort(reason);
    await assert.rejects(call.head, reason);
    await within(closed.promise, "the instance to see it");
  },
);

both("giving up in the middle of a body rejects with the reason and closes the socket", async (
  transport,
) => {
  const closed = Promise.withResolvers<void>();
  await using instance = startInstance(async (peer) => {
    await peer.request();
    await peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    await peer.gone();
    closed.resolve();
  });
  const call = ask(transport, instance.url);
  await call.head;
  assert.equal(latin1((await readFrom(call))!), "hello");
  const reason = new Error("silent for too long");
  const next = readFrom(call);
  call.abort(reason);
  await assert.rejects(next, reason);
  await within(closed.promise, "the instance to see it");
  await assert.rejects(readFrom(call), reason);
});

Deno.test("http1: what still connects has asked nobody, what has gone out may have", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using instance = startInstance(answering(() => ok("x")));
  const transport = new Http1Transport(async (to) => {
    await promise;
    return await Deno.connect(to);
  });
  const call = ask(transport, instance.url);
  const other = ask(transport, instance.url);
  await waitFor(() => call.isOut === false, "it to connect");
  other.abort(new Error("another one was faster"));
  resolve();
  assert.equal(await whole(call), "200 x");
  await assert.rejects(other.head);
  assert.deepEqual([call.isOut, other.isOut, instance.seen.length], [true, false, 1]);
  transport.close();
});

both("giving up at once, before a connection stands, leaves nothing behind", async (transport) => {
  await using instance = startInstance(answering(() => ok("x")));
  const reason = new Error("the client has left");
  const call = ask(transport, instance.url);
  call.abort(reason);
  await assert.rejects(call.head, reason);
  assert.equal(await whole(ask(transport, instance.url)), "200 x");
});

both(
  "a body shorter than its length, or without its last chunk, is an error",
  async (transport) => {
    const answers = [
      "content-length: 9\r\n\r\nhello",
      "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
      "transfer-encoding: chunked\r\n\r\n9\r\nhello",
    ];
    for (const answer of answers) {
      await using instance = startInstance(async (peer) => {
        await peer.request();
        await peer.send(`HTTP/1.1 200 OK\r\n${answer}`);
      });
      const call = ask(transport, instance.url);
      assert.equal((await call.head).status, 200);
      assert.equal(await faultOf(whole(call)), "body reset", answer);
    }
  },
);

both("a body without length ends with its connection", async (transport) => {
  await using instance = startInstance(async (peer) => {
    await peer.request();
    await peer.send("HTTP/1.1 200 OK\r\n\r\nhello");
  });
  assert.equal(await whole(ask(transport, instance.url)), "200 hello");
  assert.equal(await whole(ask(transport, instance.url)), "200 hello");
  assert.equal(instance.accepted(), 2);
});

both("interim answers are passed over", async (transport) => {
  await using instance = startInstance(
    answering(() =>
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${ok("x")}`
    ),
  );
  assert.equal(await whole(ask(transport, instance.url)), "200 x");
  assert.equal(await whole(ask(transport, instance.url)), "200 x");
  assert.equal(instance.accepted(), 1);
});

both(
  "answers to HEAD, 204 and 304 have no body, and their connection goes on",
  async (transport) => {
    await using instance = startInstance(answering(({ head }) => {
      if (head.startsWith("HEAD")) return "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
      return head.includes("/204") ? "HTTP/1.1 204 No Content\r\n\r\n" : "HTTP/1.1 304 x\r\n\r\n";
    }));
    const url = `http://127.0.0.1:${instance.port}`;
    assert.equal(await whole(ask(transport, `${url}/`, "", { method: "HEAD" })), "200 ");
    assert.equal(await whole(ask(transport, `${url}/204`, "", { method: "GET" })), "204 ");
    assert.equal(await whole(ask(transport, `${url}/304`, "", { method: "GET" })), "304 ");
    assert.equal(instance.accepted(), 1);
  },
);

both("redirects and error statuses are answers like others", async (transport) => {
  await using instance = startInstance(
    answering(({ body }) =>
      `HTTP/1.1 ${body} x\r\nlocation: /elsewhere\r\ncontent-length: 2\r\n\r\nno`
    ),
  );
  for (const status of ["301", "307", "400", "429", "500", "503"]) {
    assert.equal(await whole(ask(transport, instance.url, status)), `${status} no`);
  }
  assert.equal(instance.seen.length, 6);
});

both("what is not HTTP is malformed", async (transport) => {
  await using instance = startInstance(async (peer) => {
    await peer.request();
    await peer.send("SSH-2.0-OpenSSH_9.9\r\n");
    await peer.gone();
  });
  assert.equal(await faultOf(ask(transport, instance.url).head), "head malformed");
});

both("an early answer is taken, though the request was not sent whole", async (transport) => {
  await using instance = startInstance(async (peer) => {
    await peer.send(
      "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n" +
        "connection: close\r\n\r\nno",
    );
    await peer.gone();
  });
  const call = ask(transport, instance.url, "x".repeat(20_000_000));
  assert.equal(await whole(call), "413 no");
});

both(
  "a slow reader holds the instance back: memory does not grow with the answer",
  async (transport) => {
    const SIZE = 400 * 1024 * 1024;
    // What the system itself takes for a socket: 32 MiB on its way in, 4 on its way out, with its defaults.
    const MAX_AHEAD = 64 * 1024 * 1024;
    let written = 0;
    await using instance = startInstance(async (peer) => {
      await peer.request();
      await peer.send(`HTTP/1.1 200 OK\r\ncontent-length: ${SIZE}\r\n\r\n`);
      const piece = new Uint8Array(256 * 1024);
      while (written < SIZE && await peer.send(piece)) written += piece.length;
    });
    const call = ask(transport, instance.url);
    await call.head;
    // Nobody reads: the instance comes to a halt.
    await comesToRest(() => written, "the instance to be held back");
    assert.ok(written < MAX_AHEAD, `${written} bytes were taken with nobody reading`);
    const bytesBefore = isolateBytes();
    let most = 0;
    let read = 0;
    for (let pieces = 0;; pieces++) {
      const piece = await readFrom(call);
      if (piece === null) break;
      read += piece.length;
      assert.ok(written - read < MAX_AHEAD, `${written - read} bytes ahead of the reader`);
      if (pieces % 500 === 0) most = Math.max(most, isolateBytes());
    }
    assert.equal(read, SIZE);
    // What was read lies about until it is collected, which may be late on a busy machine.
    assert.ok(most - bytesBefore < SIZE / 2, `${most - bytesBefore} bytes more`);
  },
);

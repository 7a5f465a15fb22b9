// What both transports promise (lib/forward/transport.ts), on real sockets. Syntax by the letter is
// tested in tests/http, resuming and failing over in tests/faults.

import assert from "node:assert/strict";
import {
  readFrom,
  type Transport,
  type UpstreamCall,
  UpstreamError,
  type UpstreamRequest,
} from "../../lib/forward/transport.ts";
import { FetchTransport } from "../../lib/forward/transport/fetch.ts";
import { Http1Transport } from "../../lib/forward/transport/http1.ts";
import { bytesOf, latin1 } from "../http/scripted.ts";
import { oneOf, waitFor, within } from "../support/wait.ts";
import { startOddServer } from "../faults/odd_server.ts";
import { answering, ok, startInstance } from "./instance.ts";
import { freePort } from "../support/ports.ts";

const TRANSPORTS: [name: string, make: () => Transport][] = [
  ["http1", () => new Http1Transport()],
  ["fetch", () => new FetchTransport()],
];

/** One test for each transport. */
function both(behaviour: string, test: (transport: Transport, name: string) => Promise<void>) {
  for (const [name, make] of TRANSPORTS) {
    Deno.test(`${name}: ${behaviour}`, async () => {
      const transport = make();
      try {
        await test(transport, name);
      } finally {
        transport.close();
      }
    });
  }
}

function ask(
  transport: Transport,
  url: string,
  body = "hi",
  more: Partial<UpstreamRequest> = {},
): UpstreamCall {
  return transport.start({
    method: "POST",
    url,
    headers: [["content-type", "text/plain"]],
    body: body === "" ? [] : [bytesOf(body)],
    connectTimeoutS: 5,
    ...more,
  });
}

/** The whole answer: status and body. */
async function whole(call: UpstreamCall): Promise<string> {
  const { status } = await call.head;
  let body = "";
  for (;;) {
    const piece = await readFrom(call);
    if (piece === null) return `${status} ${body}`;
    body += latin1(piece);
  }
}

async function faultOf(promise: Promise<unknown>): Promise<string> {
  const error = await within(promise, "an error").then(() => null, (error) => error);
  assert.ok(error instanceof UpstreamError, `expected an UpstreamError, got ${error}`);
  return `${error.phase} ${error.fault}`;
}

both("requests one after the other share a connection", async (transport) => {
  await using instance = startInstance(answering((request) => ok(request.body)));
  for (const body of ["one", "two", "three"]) {
    assert.equal(await whole(ask(transport, instance.url, body)), `200 ${body}`);
  }
  assert.equal(instance.accepted(), 1);
});

both(
  "requests at once get connections of their own, and each its own answer",
  async (transport) => {
    await using instance = startInstance(answering((request) => ok(request.body.repeat(1000))));
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 50 }, async (_, i) => {
        const body = `<${round}:${i}>`;
        assert.equal(await whole(ask(transport, instance.url, body)), `200 ${body.repeat(1000)}`);
      }));
    }
    assert.ok(instance.accepted() <= 50, `${instance.accepted()} connections`);
  },
);

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

both("an idle connection that the instance closed is replaced", async (transport) => {
  await using instance = startInstance(async (peer) => {
    await peer.request();
    await peer.send(ok(`from ${peer.number}`));
  });
  for (const number of [1, 2, 3, 4]) {
    assert.equal(await whole(ask(transport, instance.url)), `200 from ${number}`);
  }
  assert.equal(instance.seen.length, 4);
});

both("a connection that closes just as a request goes out on it is replaced", async (transport) => {
  let hangUp = () => {};
  await using instance = startInstance(async (peer) => {
    await peer.request();
    await peer.send(ok(`from ${peer.number}`));
    if (peer.number > 1) return await peer.gone();
    // Open until the test closes it in the very step in which it sends the next request.
    await new Promise<void>((resolve) => {
      hangUp = () => {
        peer.close();
        resolve();
      };
    });
  });
  assert.equal(await whole(ask(transport, instance.url)), "200 from 1");
  hangUp();
  const large = "x".repeat(100_000);
  assert.equal(await whole(ask(transport, instance.url, large)), "200 from 2");
  assert.deepEqual(instance.seen.map(({ connection }) => connection), [1, 2]);
});

both("a request that an instance has read goes out a second time from no new connection", async (
  transport,
) => {
  await using instance = startInstance(async (peer) => {
    await peer.request();
  });
  assert.equal(await faultOf(ask(transport, instance.url).head), "head reset");
  assert.equal(instance.seen.length, 1);
});

both("from a kept one it does, once, when the end came at once", async (transport) => {
  await using instance = startInstance(async (peer) => {
    await peer.request();
    if (peer.number > 2) return;
    await peer.send(ok(`from ${peer.number}`));
    // Read, and left without an answer, as by a server whose time for idle connections is over.
    await peer.request();
  });
  assert.equal(await whole(ask(transport, instance.url)), "200 from 1");
  assert.equal(await whole(ask(transport, instance.url, "second")), "200 from 2");
  const times = () => instance.seen.filter(({ body }) => body === "second").length;
  assert.equal(times(), 2);
});

both("and the new connection's end counts", async (transport, name) => {
  // Deno's fetch asks as often as there are kept connections.
  if (name === "fetch") return;
  await using instance = startInstance(async (peer) => {
    await peer.request();
    if (peer.number > 1) return;
    await peer.send(ok("first"));
    await peer.request();
  });
  assert.equal(await whole(ask(transport, instance.url)), "200 first");
  assert.equal(await faultOf(ask(transport, instance.url, "second").head), "head reset");
  assert.equal(instance.seen.filter(({ body }) => body === "second").length, 2);
});

both("a request that was worked on for a while goes out once only", async (transport, name) => {
  if (name === "fetch") return;
  await using instance = startInstance(async (peer) => {
    await peer.request();
    await peer.send(ok("first"));
    await peer.request();
    await new Promise((resolve) => setTimeout(resolve, 1200));
  });
  assert.equal(await whole(ask(transport, instance.url)), "200 first");
  assert.equal(await faultOf(ask(transport, instance.url, "second").head), "head reset");
  assert.equal(instance.seen.filter(({ body }) => body === "second").length, 1);
});

Deno.test("http1: nor is one that was worked on sent again when its connection is reset", async () => {
  await using instance = await startOddServer((call) => {
    if (call.number === 0) call.write(ok("first"));
    else setTimeout(() => call.reset(), 1200);
  });
  const transport = new Http1Transport();
  try {
    const url = `${instance.url}/completions`;
    assert.equal(await whole(ask(transport, url)), "200 first");
    assert.equal(await faultOf(ask(transport, url, "second").head), "head reset");
    assert.equal(instance.calls.length, 2);
  } finally {
    transport.close();
  }
});

both("an interim answer counts as read: the request is not sent again", async (transport, name) => {
  if (name === "fetch") return;
  await using instance = startInstance(async (peer) => {
    await peer.request();
    if (peer.number === 1) await peer.send(ok("first"));
    await peer.request();
    await peer.send("HTTP/1.1 100 Continue\r\n\r\n");
  });
  assert.equal(await whole(ask(transport, instance.url)), "200 first");
  assert.equal(await faultOf(ask(transport, instance.url).head), "head reset");
  assert.equal(instance.seen.length, 2);
});

Deno.test("http1: what came while nothing was asked is no answer to what is asked next", async () => {
  const worker = new Worker(new URL("./stray_server.ts", import.meta.url), { type: "module" });
  const transport = new Http1Transport();
  try {
    const port = await new Promise<number>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
    });
    const url = `http://127.0.0.1:${port}/v1/x`;
    for (let round = 0; round < 10; round++) {
      assert.equal(await whole(ask(transport, url)), "200 proper");
      // This isolate stands still, as in a long computation, until the stray bytes are there.
      const told = new Int32Array(new SharedArrayBuffer(8));
      worker.postMessage(told.buffer);
      Atomics.wait(told, 0, 0, 5000);
      // A kernel that paces its packets may hold them back for a moment.
      Atomics.wait(told, 1, 0, 100);
      assert.equal(await whole(ask(transport, url)), "200 proper", `round ${round}`);
    }
  } finally {
    transport.close();
    worker.terminate();
  }
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
    let before = -1;
    await waitFor(async () => {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return written === before && written > 0;
    }, "the instance to be held back");
    assert.ok(written < MAX_AHEAD, `${written} bytes were taken with nobody reading`);
    const residentBefore = Deno.memoryUsage().rss;
    let resident = 0;
    let read = 0;
    for (let pieces = 0;; pieces++) {
      const piece = await readFrom(call);
      if (piece === null) break;
      read += piece.length;
      assert.ok(written - read < MAX_AHEAD, `${written - read} bytes ahead of the reader`);
      if (pieces % 500 === 0) resident = Math.max(resident, Deno.memoryUsage().rss);
    }
    assert.equal(read, SIZE);
    // What was read lies about until it is collected, which may be late on a busy machine.
    assert.ok(resident - residentBefore < SIZE / 2, `${resident - residentBefore} bytes more`);
  },
);

both(
  "an idle connection is left before an instance that keeps it for five seconds closes it",
  (transport) =>
    oneOf(3, async () => {
      const closed: string[] = [];
      await using instance = startInstance(async (peer) => {
        await peer.request();
        await peer.send(ok("x"));
        const keep = new AbortController();
        await Promise.race([
          peer.gone().then(() => closed.push("client")),
          new Promise<void>((resolve) => {
            const timer = setTimeout(() => {
              closed.push("instance");
              resolve();
            }, 5000);
            keep.signal.addEventListener("abort", () => clearTimeout(timer));
          }),
        ]);
        keep.abort();
      });
      assert.equal(await whole(ask(transport, instance.url)), "200 x");
      await waitFor(() => closed.length > 0, "the connection to be closed");
      assert.deepEqual(closed, ["client"]);
    }),
);

Deno.test("http1: an instance that says how long it keeps a connection is left before that", async () => {
  await using instance = startInstance(answering(() => ok("x", "keep-alive: timeout=1\r\n")));
  const transport = new Http1Transport();
  assert.equal(await whole(ask(transport, instance.url)), "200 x");
  assert.equal(await whole(ask(transport, instance.url)), "200 x");
  assert.equal(instance.accepted(), 2, "one second leaves no time to use a connection again");
  transport.close();
});

Deno.test("http1: a connection on which more came than belongs to an answer is not used again", async () => {
  await using instance = startInstance(answering(() => ok("x") + ok("smuggled")));
  const transport = new Http1Transport();
  for (let i = 0; i < 3; i++) assert.equal(await whole(ask(transport, instance.url)), "200 x");
  assert.equal(instance.accepted(), 3);
  transport.close();
});

// Connections to instances that are kept for the next request: when one is used again, replaced or left, and
// how often a request that meets its end is given out.

import assert from "node:assert/strict";
import { Http1Transport } from "../../lib/forward/transport/http1.ts";
import { oneOf, waitFor } from "../support/wait.ts";
import { startOddServer } from "../faults/odd_server.ts";
import { answering, ok, startInstance } from "./instance.ts";
import { ask, both, faultOf, whole } from "./calls.ts";

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

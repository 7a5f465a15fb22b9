// Bytes that an instance sends on a connection while nothing is asked there: whoever asks next must not
// get them for an answer, not even when the gateway was held up while both came.

import assert from "node:assert/strict";
import { ok, type Peer, startInstance } from "../forward/instance.ts";
import { bytesOf } from "../http/scripted.ts";
import { startGateway } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

const BODY = JSON.stringify({ model: "demo", prompt: "hello" });
const REQUEST = bytesOf(
  `POST /v1/embeddings HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n` +
    `content-length: ${BODY.length}\r\n\r\n${BODY}`,
);
const PROPER = '{"answer":"proper"}';
const STRAY = '{"answer":"stray!"}';

/** Reads until a whole answer has come. */
async function answerOn(conn: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(65_536);
  let text = "";
  while (!text.includes('"}')) {
    const count = await conn.read(buffer);
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}

// Not shorter: a kernel that paces its packets (BBR) may hold the stray ones back for some 20 ms, and then
// they come after the request.
for (const heldUpMs of [100]) {
  Deno.test(`after ${heldUpMs} ms of standstill, a stray answer is nobody's`, async () => {
    const peers: Peer[] = [];
    await using instance = startInstance(async (peer) => {
      peers.push(peer);
      while (await peer.request() !== null) await peer.send(ok(PROPER));
    });
    await using gateway = await startGateway({
      config: {
        instances: [{ url: `http://127.0.0.1:${instance.port}`, model_name: "demo" }],
        health_check: false,
        transport: "auto",
        workers: 1,
      },
    });
    const port = Number(new URL(gateway.url).port);
    for (let round = 0; round < 12; round++) {
      const clients = await Promise.all(
        [1, 2].map(() => Deno.connect({ hostname: "127.0.0.1", port })),
      );
      try {
        // Both at once, so that two connections to the instance are kept.
        await Promise.all(clients.map((client) => client.write(REQUEST)));
        for (const client of clients) assert.match(await answerOn(client), /proper/);
        await waitFor(
          async () => (await gateway.post("/v1/embeddings", BODY).then((r) =>
            r.text().then(() => r.ok)
          )),
          "the connections to be kept",
        );
        gateway.signal("SIGSTOP");
        await waitFor(async () => {
          const stat = await Deno.readTextFile(`/proc/${gateway.pid}/stat`);
          return / T /.test(stat);
        }, "the gateway to stand still");
        for (const client of clients) await client.write(REQUEST);
        for (const peer of peers) await peer.send(ok(STRAY));
        await new Promise((resolve) => setTimeout(resolve, heldUpMs));
        gateway.signal("SIGCONT");
        for (const client of clients) {
          const text = await answerOn(client);
          assert.match(text, /^HTTP\/1\.1 200/, `round ${round}`);
          assert.match(text, /proper/, `round ${round}`);
        }
      } finally {
        for (const client of clients) client.close();
      }
    }
    const health = await (await fetch(`${gateway.url}/health`)).json();
    assert.equal(health.instances[0].recent_errors, 0);
  });
}

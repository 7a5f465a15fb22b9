// Connections that are ending, on a scripted connection and a clock of the test's own.

import assert from "node:assert/strict";
import { MessageBuffers, Slab } from "../../lib/http/memory.ts";
import { Connection, type ConnectionOwner } from "../../lib/server/listener/http1/connection.ts";
import { bytesOf, ScriptedConn } from "../http/scripted.ts";
import { listenOptions } from "../support/listen_options.ts";
import { waitFor } from "../support/wait.ts";

/** TLS, whose end is written behind an answer that its client does not take. */
class StuckConn extends ScriptedConn {
  isEnding = false;
  readonly #gone = Promise.withResolvers<void>();

  override closeWrite(): Promise<void> {
    this.isEnding = true;
    return this.#gone.promise;
  }

  override close(): void {
    super.close();
    this.#gone.resolve();
  }
}

Deno.test("a client that does not take the end of its answer is closed after a while", async () => {
  const errors: unknown[] = [];
  const conn = new StuckConn([bytesOf("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n")]);
  const owner: ConnectionOwner = {
    options: { ...listenOptions(), onError: (error) => errors.push(error) },
    draining: false,
    sendsAway: () => false,
    now: 0,
    buffers: new MessageBuffers(),
    slab: new Slab(),
    closed: () => {},
    handler: (_, reply) => reply.send(413, [], new Uint8Array(0)),
  };
  const connection = new Connection(conn.asTcp(), conn.remoteAddr.hostname, owner, false);
  const served = connection.run();
  await waitFor(() => conn.isEnding, "the connection to end its side");
  connection.checkDeadline(29_000);
  assert.equal(conn.closed, false);
  connection.checkDeadline(31_000);
  assert.equal(conn.closed, true);
  await served;
  assert.deepEqual(errors, []);
});

// The chunks of an answer on their way to a client that takes them late: in their order, each whole, whoever
// else waits for the same connection.

import assert from "node:assert/strict";
import { MessageBuffers } from "../../lib/http/memory.ts";
import { RequestHead } from "../../lib/http/head.ts";
import { Reply } from "../../lib/server/listener/http1/reply.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A connection that takes `atOnce` bytes of each write, when it is told to. */
class LateConn {
  readonly remoteAddr = { hostname: "127.0.0.1" };
  taken = "";
  waiting: (() => void)[] = [];
  constructor(private readonly atOnce: number) {}
  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      this.waiting.push(() => {
        // What stands there now goes out, as from a buffer of the system.
        const count = Math.min(bytes.length, this.atOnce);
        this.taken += decoder.decode(bytes.subarray(0, count));
        resolve(count);
      });
    });
  }
  /** Takes all that comes, for as long as something does. */
  async takeAll(): Promise<void> {
    for (let idle = 0; idle < 3;) {
      const next = this.waiting.shift();
      if (next !== undefined) next();
      idle = next === undefined ? idle + 1 : 0;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  read(): Promise<number | null> {
    return Promise.resolve(null);
  }
  closeWrite(): Promise<void> {
    return Promise.resolve();
  }
  close(): void {}
}

for (const atOnce of [Infinity, 7]) {
  Deno.test(`chunks go out in order, each whole, ${atOnce} bytes at once`, async () => {
    const buffers = new MessageBuffers();
    const conns = [new LateConn(atOnce), new LateConn(atOnce)];
    const replies = conns.map((conn) => {
      const client = { gone: false, leave: () => {} };
      const head = new RequestHead("POST", "/", 1, [["host", "a"]]);
      return new Reply(conn, client, head, () => false, buffers);
    });
    const expected = ["", ""];
    for (const reply of replies) reply.begin(200, [], null);
    for (let round = 0; round < 20; round++) {
      const written: (Promise<void> | null)[] = [];
      for (const [index, reply] of replies.entries()) {
        // Nobody waits for the one before: some stand in line together.
        for (let turn = 0; turn < 4; turn++) {
          const text = `${"ab"[index].repeat(1 + (round * 7 + turn * 13) % 40)}.`;
          expected[index] += text;
          written.push(reply.write(encoder.encode(text)));
        }
      }
      await Promise.all([...conns.map((conn) => conn.takeAll()), ...written]);
    }
    const ends = replies.map((reply) => reply.end());
    await Promise.all([...conns.map((conn) => conn.takeAll()), ...ends]);
    for (const [index, conn] of conns.entries()) {
      assert.equal(unchunked(conn.taken), expected[index]);
    }
  });
}

/** The body of a chunked answer. */
function unchunked(answer: string): string {
  let rest = answer.slice(answer.indexOf("\r\n\r\n") + 4);
  let body = "";
  for (;;) {
    const line = rest.indexOf("\r\n");
    const size = parseInt(rest.slice(0, line), 16);
    assert.ok(Number.isInteger(size), `a size: ${JSON.stringify(rest.slice(0, 40))}`);
    if (size === 0) return body;
    body += rest.slice(line + 2, line + 2 + size);
    assert.equal(rest.slice(line + 2 + size, line + 4 + size), "\r\n");
    rest = rest.slice(line + 4 + size);
  }
}

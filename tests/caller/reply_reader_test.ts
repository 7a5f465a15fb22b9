// Answers of a Redis server are read whole, however the network cuts them.

import assert from "node:assert/strict";
import { ReplyReader } from "../../lib/caller/shared/reply_reader.ts";

const SENT = new TextEncoder().encode(
  "+OK\r\n:42\r\n$5\r\nk\u00f6\r\n\r\n$-1\r\n*3\r\n:1\r\n$0\r\n\r\n*-1\r\n-NOSCRIPT no such script\r\n",
);
const MEANT = ["OK", 42, "k\u00f6\r\n", null, [1, "", null], new Error("NOSCRIPT no such script")];

Deno.test("answers are the same in one piece, byte by byte and cut anywhere", () => {
  assert.deepEqual(new ReplyReader().take(SENT), MEANT);
  for (let cut = 1; cut < SENT.length; cut++) {
    const reader = new ReplyReader();
    const first = reader.take(SENT.subarray(0, cut));
    assert.deepEqual([...first, ...reader.take(SENT.subarray(cut))], MEANT);
  }
  const reader = new ReplyReader();
  const memory = new Uint8Array(1);
  const replies = [...SENT].flatMap((byte) => {
    memory[0] = byte;
    return reader.take(memory);
  });
  assert.deepEqual(replies, MEANT);
});

Deno.test("what is no answer of such a server is an error", () => {
  assert.throws(() => new ReplyReader().take(new TextEncoder().encode("HTTP/1.1 400\r\n")));
});

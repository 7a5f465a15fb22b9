import assert from "node:assert/strict";
import { MESSAGE_BYTES, MessageBuffers } from "../../lib/http/memory.ts";

Deno.test("a short message takes a short buffer, a longer one of the longest message", () => {
  const buffers = new MessageBuffers();
  const short = buffers.take(400);
  assert(short.length >= 400 && short.length <= 2048);
  assert.equal(buffers.take(short.length).length, short.length);
  assert.equal(buffers.take(short.length + 1).length, MESSAGE_BYTES);
  assert.equal(buffers.take(MESSAGE_BYTES).length, MESSAGE_BYTES);
});

Deno.test("buffers that came back are taken again, each for its lengths", () => {
  const buffers = new MessageBuffers();
  const short = buffers.take(400);
  const long = buffers.take(MESSAGE_BYTES);
  buffers.giveBack(long);
  buffers.giveBack(short);
  assert.equal(buffers.take(1), short);
  assert.equal(buffers.take(5000), long);
});

Deno.test("as many short buffers are kept as streams write at once", () => {
  const buffers = new MessageBuffers();
  const taken = Array.from({ length: 500 }, () => buffers.take(400));
  for (const buffer of taken) buffers.giveBack(buffer);
  const again = new Set(taken.map(() => buffers.take(400)));
  assert.equal(taken.filter((buffer) => !again.has(buffer)).length, 0);
});

Deno.test("memory that is none of the buffers' own is not taken in", () => {
  const buffers = new MessageBuffers();
  const foreign = new Uint8Array(MESSAGE_BYTES + 100);
  buffers.giveBack(foreign);
  buffers.giveBack(new Uint8Array(0));
  assert.equal(buffers.take(1).length, buffers.take(2).length);
  assert.equal(buffers.take(MESSAGE_BYTES).length, MESSAGE_BYTES);
});

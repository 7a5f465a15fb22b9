// Text that is gathered for one write, and the memory it stands in.

import assert from "node:assert/strict";
import { TextBuffer } from "../../lib/observe/text_buffer.ts";

const MEGABYTE = 1024 * 1024;

/** Gathers `length` bytes in lines and gives the memory that they stand in. */
function batch(buffer: TextBuffer, length: number): ArrayBuffer {
  const line = "x".repeat(1023) + "\n";
  for (let at = 0; at < length; at += line.length) buffer.append(line);
  const bytes = buffer.bytes();
  assert.equal(bytes.length, length);
  buffer.clear();
  return bytes.buffer;
}

Deno.test("text and bytes stand in the order in which they were added", () => {
  const buffer = new TextBuffer();
  buffer.append("first 第一\n");
  buffer.appendBytes(new TextEncoder().encode("second\n"));
  buffer.append("third 🐢\n".repeat(5000));
  assert.equal(
    new TextDecoder().decode(buffer.bytes()),
    "first 第一\nsecond\n" + "third 🐢\n".repeat(5000),
  );
  buffer.clear();
  assert.equal(buffer.bytes().length, 0);
});

Deno.test("batches of a busy gateway stand in the memory of the batch before", () => {
  const buffer = new TextBuffer();
  const first = batch(buffer, 3 * MEGABYTE);
  assert.equal(batch(buffer, 3 * MEGABYTE), first);
  assert.equal(batch(buffer, 2 * MEGABYTE), first);
});

Deno.test("what one large batch needed is given back by the next that does not need it", () => {
  const buffer = new TextBuffer();
  const large = batch(buffer, 8 * MEGABYTE);
  assert.equal(batch(buffer, MEGABYTE / 4), large, "the small batch is written from there");
  const next = batch(buffer, MEGABYTE / 4);
  assert.notEqual(next, large);
  assert.ok(next.byteLength <= MEGABYTE, `${next.byteLength} bytes`);
});

Deno.test("a buffer for a batch of tens of megabytes is not kept", () => {
  const buffer = new TextBuffer();
  const first = batch(buffer, 32 * MEGABYTE);
  assert.notEqual(batch(buffer, 32 * MEGABYTE), first);
});

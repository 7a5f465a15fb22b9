// Keeping the events of a stream in few bytes.

import assert from "node:assert/strict";
import { EventStore } from "../../lib/sse/event_store.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function chunk(content: string): string {
  return `data: {"id":"chatcmpl-1f0c","object":"chat.completion.chunk","created":1750000000,` +
    `"model":"deepseek-r1","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}},` +
    `"logprobs":null,"finish_reason":null,"token_ids":null}]}\n\n`;
}

function push(store: EventStore, text: string): void {
  const bytes = encoder.encode(text);
  store.push(bytes, 0, bytes.length);
}

Deno.test("what was pushed comes back byte for byte", () => {
  const texts = [
    "",
    "a",
    "aa",
    "aaa",
    "a",
    "",
    chunk("x"),
    chunk(""),
    chunk("žluťoučký 🐎"),
    "\0\xff",
  ]
    .concat(chunk("y".repeat(5000)), chunk("z"));
  const store = new EventStore(1 << 20);
  for (const text of texts) push(store, text);
  assert.deepEqual([...store.events()].map((event) => decoder.decode(event)), texts);
  assert.equal(decoder.decode(store.bytes()), texts.join(""));
  assert.equal(store.count, texts.length);
  assert.equal(store.truncated, false);
});

Deno.test("random events that resemble each other come back byte for byte", () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor(seed / 65536) % below;
  };
  const store = new EventStore(1 << 22);
  const kept: Uint8Array[] = [];
  for (let i = 0; i < 2000; i++) {
    const event = new Uint8Array(random(40));
    for (let at = 0; at < event.length; at++) event[at] = random(3);
    kept.push(event);
    store.push(event, 0, event.length);
  }
  assert.deepEqual([...store.events()], kept);
});

Deno.test("an event is taken from the middle of a buffer that is used again", () => {
  const store = new EventStore(1 << 20);
  const buffer = encoder.encode("--first--");
  store.push(buffer, 2, 7);
  buffer.fill(0);
  assert.equal(decoder.decode(store.bytes()), "first");
});

Deno.test("chunks of one answer take a few bytes each", () => {
  const store = new EventStore(1 << 20);
  for (let i = 0; i < 1000; i++) push(store, chunk(` word${i % 10}`));
  assert.ok(store.size < 20_000, `${store.size} bytes for 1000 chunks of 250`);
});

Deno.test("beyond its limit the store keeps what it has, says so and does not throw", () => {
  const store = new EventStore(1000);
  for (let i = 0; i < 100; i++) push(store, String(i).repeat(100));
  assert.equal(store.truncated, true);
  assert.ok(store.size <= 1000);
  const events = [...store.events()].map((event) => decoder.decode(event));
  assert.equal(events.length, store.count);
  events.forEach((event, i) => assert.equal(event, String(i).repeat(100)));
});

Deno.test("events that take next to nothing are not kept beyond what can be put together", () => {
  const store = new EventStore(1 << 25);
  const event = encoder.encode(chunk("q".repeat(60_000)));
  for (let pushed = 0; pushed < 9000; pushed++) store.push(event, 0, event.length);
  assert.ok(store.size < 1 << 20);
  assert.ok(store.truncated, "500 MB would be more than the engine has in one text");
  assert.ok(store.count > 3000);
});

Deno.test("a store that was packed and unpacked holds the same events", () => {
  const store = new EventStore(1 << 20);
  push(store, chunk("a"));
  push(store, chunk("b"));
  const copy = EventStore.unpack(structuredClone(store.pack()));
  assert.deepEqual(copy.bytes(), store.bytes());
  assert.equal(copy.count, 2);
});

Deno.test("long events come back byte for byte, between short ones", () => {
  const store = new EventStore(1 << 24);
  const texts = [chunk("a"), chunk("x".repeat(100_000)), chunk("b"), chunk("y".repeat(200_000))]
    .concat(chunk("y".repeat(200_001)), chunk("c"), chunk("d"));
  for (const text of texts) push(store, text);
  const events = [...store.events()].map((event) => decoder.decode(event));
  assert.deepEqual(events.map((event) => event.length), texts.map((text) => text.length));
  assert.deepEqual(events, texts);
});

Deno.test("a long event takes its own bytes and no more", () => {
  const store = new EventStore(1 << 24);
  const event = encoder.encode(chunk("x".repeat(4 << 20)));
  for (let i = 0; i < 3; i++) store.push(event, 0, event.length);
  assert.ok(store.size < 3 * event.length + 100, `${store.size} bytes`);
  store.push(event, 0, event.length);
  assert.deepEqual([store.count, store.truncated], [3, true]);
});

Deno.test("a store that was read gives its memory back, and keeps nothing more", () => {
  const store = new EventStore(10_000);
  push(store, chunk("a"));
  const { data } = store.pack();
  store.release();
  push(store, chunk("b"));
  assert.equal(store.size, 0);
  assert.equal(store.bytes().length, 0);
  assert.ok(data.length > 0, "what was packed is memory of its own");
});

// Hashes of prompts. Numbers are those of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { type PromptChain, PromptHasher, UNKNOWN_PROMPT } from "../../../lib/pool/prefix/chain.ts";
import { cpuMsOf } from "../../support/cpu.ts";
import { chainOf, words } from "../routing_stand.ts";

const encoder = new TextEncoder();

/** Chunks that both have, from the beginning. */
function common(one: PromptChain, other: PromptChain): number {
  let chunks = 0;
  while (
    chunks < Math.min(one.length, other.length) &&
    one.lanes[2 * chunks] === other.lanes[2 * chunks] &&
    one.lanes[2 * chunks + 1] === other.lanes[2 * chunks + 1]
  ) chunks++;
  return chunks;
}

function chainOfParts(body: string, parts: readonly string[], salt = ""): PromptChain {
  const bytes = encoder.encode(body);
  const spans = parts.map((part) => {
    const start = body.indexOf(part);
    assert.ok(start >= 0);
    return { start, end: start + part.length };
  });
  return new PromptHasher().chain(bytes, { ...UNKNOWN_PROMPT, parts: spans, salt });
}

Deno.test("6: fields before and between the prompt's make no difference", () => {
  const messages = `[{"role":"user","content":"${words("a", 3000)}"}]`;
  const plain = `{"model":"m","messages":${messages}}`;
  const other = `{"user":"x","temperature":0.3,"model":"m","messages":${messages},"stream":true}`;
  const one = chainOfParts(plain, [messages]);
  assert.deepEqual(chainOfParts(other, [messages]).lanes, one.lanes);
  assert.equal(one.length, Math.floor(messages.length / 512));
});

Deno.test("7: the same text with other whitespace or escapes is another chain, and no error", () => {
  const text = words("a", 2000);
  const plain = chainOf(`[{"role":"user","content":"${text}"}]`);
  assert.equal(common(plain, chainOf(`[ {"role":"user","content":"${text}"}]`)), 0);
  assert.equal(common(plain, chainOf(`[{"role":"us\\u0065r","content":"${text}"}]`)), 0);
});

Deno.test("8: token ids of equal length are different chains where they differ, however long", () => {
  const ids = (last: number) => `[${Array(3000).fill(151643).join()},${last}]`;
  const one = chainOf(ids(1).repeat(2));
  const other = chainOf(ids(2).repeat(2));
  assert.equal(one.length, other.length);
  assert.deepEqual(one.media, [], "a list of numbers is no image");
  assert.equal(common(one, other), Math.floor((ids(1).length - 2) / 512));
  const bytes = encoder.encode(ids(1));
  const chain = new PromptHasher().chain(bytes, {
    ...UNKNOWN_PROMPT,
    parts: [{ start: 0, end: bytes.length }],
    ids: 3001,
  });
  assert.equal(chain.tokens(4), 3001);
  assert.ok(Math.abs(chain.tokensOf(20, 4) - 3001 * 20 * 512 / bytes.length) < 1);
});

Deno.test("9: prompts that differ in one byte share all chunks before it, and no more", () => {
  const text = words("a", 8192);
  for (const at of [0, 511, 512, 4095, 4096, 8191]) {
    const changed = `${text.slice(0, at)}!${text.slice(at + 1)}`;
    assert.equal(common(chainOf(text), chainOf(changed)), Math.floor(at / 512), `at ${at}`);
  }
  assert.equal(common(chainOf(text), chainOf(text.slice(0, 5000))), 9);
});

Deno.test("9: chains do not depend on where a part begins, and begin alike over the border of two", () => {
  const tools = words("t", 700);
  const messages = words("m", 3000);
  const one = chainOfParts(`{"tools":${tools},"messages":${messages}}`, [tools, messages]);
  const other = chainOfParts(`{"messages":${messages},  "tools":${tools}}`, [tools, messages]);
  assert.deepEqual(one.lanes, other.lanes);
  assert.deepEqual(one.lanes, chainOf(tools + messages).lanes);
});

Deno.test("11: 20 MB of an image are hashed without reading them all, and counted as an image", () => {
  const image = (fill: string, changed = -1) => {
    const bytes = new Uint8Array(20 * 2 ** 20).fill(fill.charCodeAt(0));
    if (changed >= 0) bytes[changed] = 33 + 15;
    const head = encoder.encode(`[{"role":"user","content":[{"url":"data:image/png;base64,`);
    const tail = encoder.encode(`"},{"type":"text","text":"${words("a", 2000)}"}]}]`);
    const body = new Uint8Array(head.length + bytes.length + tail.length);
    body.set(head);
    body.set(bytes, head.length);
    body.set(tail, head.length + bytes.length);
    return body;
  };
  const hasher = new PromptHasher();
  const chain = (body: Uint8Array) =>
    hasher.chain(body, { ...UNKNOWN_PROMPT, parts: [{ start: 0, end: body.length }] });
  const bodies = [image("A"), image("B"), image("A", 20 * 2 ** 20 - 10)];
  const [one, two, three] = bodies.map(chain);
  assert.equal(one.media.length, 1);
  assert.ok(one.length >= 4 && one.length <= 7, `${one.length} chunks`);
  const textBytes = 57 + 26 + 2000 + 5;
  assert.ok(Math.abs(one.tokens(4) - (1000 + textBytes / 4)) < 20, `${one.tokens(4)} tokens`);
  assert.equal(common(one, two), 0);
  assert.ok(common(one, three) < 2, "the end of an image tells it from another one");
  const times = Array.from({ length: 5 }, () => cpuMsOf(() => chain(bodies[0])));
  assert.ok(Math.min(...times) < 5, `${Math.min(...times)} ms`);
});

Deno.test("11: text without spaces is hashed whole", () => {
  const chinese = "世界你好".repeat(2000);
  assert.deepEqual(chainOf(chinese).media, []);
  const code = "a.b(c);".repeat(2000);
  assert.deepEqual(chainOf(code).media, []);
});

Deno.test("12: other tools, no match beyond them; another salt, no match at all", () => {
  const messages = words("m", 4000);
  const tools = words("t", 2048);
  const changed = `${tools.slice(0, 1500)}!${tools.slice(1501)}`;
  assert.equal(common(chainOf(tools + messages), chainOf(changed + messages)), 2);
  assert.equal(common(chainOf(messages, "a"), chainOf(messages, "b")), 0);
  assert.equal(common(chainOf(messages), chainOf(messages, "b")), 0);
  assert.equal(common(chainOf(messages, "b"), chainOf(messages, "b")), 7);
});

Deno.test("a prompt is hashed up to the bound, its length is known all the same", () => {
  const bytes = encoder.encode(words("a", 10_000));
  const chain = new PromptHasher(2048).chain(bytes, {
    ...UNKNOWN_PROMPT,
    parts: [{ start: 0, end: bytes.length }],
  });
  assert.equal(chain.length, 4);
  assert.equal(chain.tokens(4), 2500);
  assert.equal(chain.tokensOf(4, 4), 512);
  assert.equal(chain.tokensOf(0, 4), 0);
});

Deno.test("a short prompt has no hashes and a length", () => {
  assert.equal(chainOf("hello").length, 0);
  assert.equal(chainOf("hello").tokens(4), 2);
  assert.equal(chainOf("").tokens(4), 0);
});

Deno.test("two hundred thousand chunks have as many hashes", () => {
  const seen = new Set<number>();
  const hasher = new PromptHasher();
  const body = new Uint8Array(512 * 1000);
  const view = new DataView(body.buffer);
  for (let round = 0; round < 200; round++) {
    view.setUint32(0, round);
    const { lanes } = hasher.chain(body, {
      ...UNKNOWN_PROMPT,
      parts: [{ start: 0, end: body.length }],
    });
    for (let chunk = 0; chunk < 1000; chunk++) {
      seen.add((lanes[2 * chunk] >>> 0) * 2 ** 21 + (lanes[2 * chunk + 1] >>> 11));
    }
  }
  assert.equal(seen.size, 200_000);
});

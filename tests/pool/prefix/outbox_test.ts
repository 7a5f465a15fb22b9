// What other gateways are to hear of, from the ring to the index of another one.

import assert from "node:assert/strict";
import { Layout } from "../../../lib/pool/memory/layout.ts";
import { Workers } from "../../../lib/pool/memory/worker_counts.ts";
import { RoutingMemory } from "../../../lib/pool/load/routing_memory.ts";
import { PromptChain } from "../../../lib/pool/prefix/chain.ts";
import { NOTE } from "../../../lib/pool/prefix/outbox.ts";

const SEED = { first: 17, second: 4711 };

function memoryOf(): RoutingMemory {
  const build = (layout: Layout) => new RoutingMemory(layout, 4, new Workers(layout, 0), 2 ** 12);
  const measure = new Layout(null);
  build(measure);
  return build(new Layout(new SharedArrayBuffer(measure.bytes)));
}

function chainOf(length: number, first = 1): PromptChain {
  return new PromptChain(
    Int32Array.from({ length: 2 * length }, (_, k) => first * 1000 + k),
    512 * length,
  );
}

function matched(memory: RoutingMemory, chain: PromptChain): number {
  const out = new Int32Array(1);
  memory.index.match(chain, SEED, [2], out);
  return out[0];
}

Deno.test("a prompt that one gateway has sent is known to another one after its note", () => {
  const [sender, hearer] = [memoryOf(), memoryOf()];
  sender.outbox.open();
  const chain = chainOf(20);
  sender.outbox.note(2, chain, SEED, 0);
  const words = sender.outbox.take();
  assert.equal(words.length, 20 * NOTE);
  hearer.index.told(2, words.filter((_, at) => at % NOTE > 0));
  assert.equal(matched(hearer, chain), 20);
  assert.equal(matched(hearer, chainOf(20, 2)), 0);
  assert.equal(sender.outbox.take().length, 0);
});

Deno.test("of chunks that the instance has already every fourth is told, and those that are new", () => {
  const memory = memoryOf();
  memory.outbox.open();
  memory.outbox.note(2, chainOf(12), SEED, 9);
  const told = memory.outbox.take().filter((_, at) => at % NOTE === 1);
  const chunks = [...told].map((word) => ((word ^ SEED.first) - 1000) / 2);
  assert.deepEqual(chunks, [3, 7, 9, 10, 11]);
  memory.outbox.note(2, chainOf(3), SEED, 3);
  assert.equal(memory.outbox.take().length, NOTE, "the last one, as a sign that it is in use");
});

Deno.test("a reader that is late gets the newest, over the end of the ring as well", () => {
  const memory = memoryOf();
  memory.outbox.open();
  for (let round = 1; round <= 50; round++) memory.outbox.note(1, chainOf(1000, round), SEED, 0);
  const taken = memory.outbox.take();
  assert.equal(taken.length, 32_768 * NOTE);
  assert.equal(taken.at(-2)! ^ SEED.first, 50_000 + 1998);
});

Deno.test("closed it keeps nothing, opened it begins anew", () => {
  const memory = memoryOf();
  memory.outbox.note(1, chainOf(5), SEED, 0);
  assert.equal(memory.outbox.take().length, 0);
  memory.outbox.open();
  memory.outbox.note(1, chainOf(5), SEED, 0);
  memory.outbox.close();
  memory.outbox.note(1, chainOf(5), SEED, 0);
  memory.outbox.open();
  assert.equal(memory.outbox.take().length, 0);
});

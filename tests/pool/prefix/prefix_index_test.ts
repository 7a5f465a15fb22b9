// The index of prefixes. Numbers are those of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { Layout } from "../../../lib/pool/memory/layout.ts";
import { PromptChain } from "../../../lib/pool/prefix/chain.ts";
import { PrefixIndex } from "../../../lib/pool/prefix/prefix_index.ts";
import { chainOf, memoryOf, SEED, words } from "../routing_stand.ts";

const SLOTS = [0, 1, 2, 3, 4, 5, 6, 7];

function indexOf(size = 4096, capacity = 1024): PrefixIndex {
  const measure = new Layout(null);
  new PrefixIndex(measure, 16, size, capacity);
  return new PrefixIndex(
    new Layout(new SharedArrayBuffer(measure.bytes)),
    16,
    size,
    capacity,
  );
}

function matches(index: PrefixIndex, chain: PromptChain, seed = SEED, slots = SLOTS): number[] {
  const out = new Int32Array(slots.length);
  index.match(chain, seed, slots, out);
  return [...out];
}

/** A chain of chunks that no other has. */
function fresh(chunks: number): PromptChain {
  const lanes = new Int32Array(2 * chunks);
  crypto.getRandomValues(lanes);
  return new PromptChain(lanes, chunks * 512);
}

Deno.test("an instance matches as deep as it was sent a prompt that begins alike", () => {
  const index = indexOf();
  const system = words("s", 2048);
  index.add(2, chainOf(system + words("a", 2048)), SEED);
  index.add(5, chainOf(system + words("b", 512)), SEED);
  assert.deepEqual(matches(index, chainOf(system + words("b", 2048))), [0, 0, 4, 0, 0, 5, 0, 0]);
  assert.deepEqual(matches(index, chainOf(words("c", 2048))), SLOTS.map(() => 0));
});

Deno.test("13: chains of two models never meet", () => {
  const index = indexOf();
  const chain = chainOf(words("a", 4096));
  index.add(1, chain, { first: 17, second: 4 });
  assert.equal(matches(index, chain, { first: 17, second: 4 })[1], 8);
  assert.equal(matches(index, chain, { first: 18, second: 4 })[1], 0);
  assert.equal(matches(index, chain, { first: 17, second: 5 })[1], 0);
});

Deno.test("14: an instance that was started anew is forgotten at once, the others are not", () => {
  const index = indexOf();
  const chain = fresh(10);
  index.add(1, chain, SEED);
  index.add(2, chain, SEED);
  index.forget(1);
  assert.deepEqual(matches(index, chain), [0, 0, 10, 0, 0, 0, 0, 0]);
  assert.equal(index.ages.held(1), 0);
  index.add(1, chain, SEED);
  assert.equal(matches(index, chain)[1], 10);
});

Deno.test("19: what an attempt noted is taken back without what was there before", () => {
  const index = indexOf();
  const system = words("s", 2048);
  const chain = chainOf(system + words("a", 2048));
  index.add(3, chainOf(system), SEED);
  index.add(3, chain, SEED);
  index.takeBack(3, chain, SEED, 4);
  assert.equal(matches(index, chain)[3], 4);
  assert.equal(index.ages.held(3), 4);
});

Deno.test("24: what one worker notes is matched by another, and a dead one leaves it usable", () => {
  const first = memoryOf({ indexChunks: 4096 });
  const second = memoryOf({ indexChunks: 4096 }, 1, first.shared);
  const chain = fresh(20);
  second.memory.index.add(4, chain, SEED);
  second.memory.own.add(4, 500);
  assert.equal(matches(first.memory.index, chain)[4], 20);
  assert.equal(first.memory.own.pending(4), 500);
  first.memory.dropWorker(1);
  assert.equal(first.memory.own.pending(4), 0);
  assert.equal(first.memory.own.unanswered(4), 0);
  assert.equal(matches(first.memory.index, chain)[4], 20, "the cache holds it all the same");
});

Deno.test("25: ten times more chunks than places: the newest are found, the oldest are not", () => {
  const index = indexOf(1024, 512);
  const chains = Array.from({ length: 1024 }, () => fresh(10));
  for (const [at, chain] of chains.entries()) index.add(at % 4, chain, SEED);
  const known = (list: PromptChain[]) =>
    list.filter((chain) => matches(index, chain).some((chunks) => chunks === 10)).length;
  assert.ok(known(chains.slice(-40)) >= 35, `${known(chains.slice(-40))} of the last 40`);
  assert.equal(known(chains.slice(0, 500)), 0);
  for (const slot of SLOTS) assert.ok(index.ages.held(slot) <= 512);
});

Deno.test("25: an instance is taken to hold no more than its capacity, whole prompts age together", () => {
  const index = indexOf(65_536, 1024);
  const chains = Array.from({ length: 400 }, () => fresh(8));
  for (const chain of chains) index.add(0, chain, SEED);
  assert.ok(index.ages.held(0) <= 1024 && index.ages.held(0) > 900, `${index.ages.held(0)}`);
  const depths = chains.map((chain) => matches(index, chain)[0]);
  assert.deepEqual(new Set(depths.slice(0, 250)), new Set([0]));
  assert.deepEqual(new Set(depths.slice(-110)), new Set([8]));
  // Another size from now on.
  index.ages.setCapacity(0, 160);
  assert.ok(index.ages.held(0) <= 160);
});

Deno.test("26: clocks that go round bring nothing back, and counts never fall below zero", () => {
  const index = indexOf(1024, 64);
  const old = fresh(8);
  index.add(0, old, SEED);
  const other = fresh(4);
  // Once round: the stamp of the old one is a new one again. Others clean up behind it meanwhile.
  for (let round = 0; round < 2 ** 22 + 5; round++) {
    index.ages.advance(0);
    if (round % 2000 === 0) index.add(1, other, SEED);
  }
  assert.equal(matches(index, old)[0], 0);
  assert.equal(index.ages.held(0), 0);
  const chain = fresh(8);
  index.add(0, chain, SEED);
  assert.equal(matches(index, chain)[0], 8);
  assert.equal(index.ages.held(0), 8);
});

Deno.test("26: an instance that is sent next to nothing keeps a thousand ticks", () => {
  const index = indexOf();
  const chain = fresh(4);
  index.add(0, chain, SEED);
  for (let round = 0; round < 1000; round++) index.ages.advance(0);
  assert.equal(matches(index, chain)[0], 4);
  for (let round = 0; round < 30; round++) index.ages.advance(0);
  assert.equal(matches(index, chain)[0], 0);
  assert.equal(index.ages.held(0), 0);
});

Deno.test("27: what more instances have than are named is everybody's, but for those that were started anew", () => {
  const index = indexOf();
  const chain = fresh(6);
  for (const slot of SLOTS) index.add(slot, chain, SEED);
  assert.deepEqual(matches(index, chain), SLOTS.map(() => 6));
  for (const slot of [0, 1, 2, 3, 4, 5, 6]) index.forget(slot);
  assert.deepEqual(matches(index, chain), [0, 0, 0, 0, 0, 0, 0, 6]);
  index.add(3, chain, SEED);
  assert.deepEqual(matches(index, chain), [0, 0, 0, 6, 0, 0, 0, 6]);
});

Deno.test("27: what was everybody's is nobody's when it has aged", () => {
  const index = indexOf(4096, 64);
  const chain = fresh(6);
  for (const slot of SLOTS) index.add(slot, chain, SEED);
  for (let round = 0; round < 2000; round++) index.add(round % 8, fresh(8), SEED);
  assert.deepEqual(matches(index, chain), SLOTS.map(() => 0));
});

Deno.test("an instance beyond the indexed slots has no matches and does no harm", () => {
  const index = indexOf();
  const chain = fresh(6);
  index.add(1023, chain, SEED);
  index.forget(1023);
  assert.deepEqual(matches(index, chain, SEED, [0, 1023]), [0, 0]);
});

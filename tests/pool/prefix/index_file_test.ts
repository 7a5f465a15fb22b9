// The index in a file. Numbers are those of the edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { restoreIndex, savedIndex } from "../../../lib/pool/prefix/index_file.ts";
import { chainOf, RoutingStand, SEED, words } from "../routing_stand.ts";

const NOW = 1_800_000_000_000;
const HERE = [0, 1, 2, 3].map((slot) => ({ slot, address: 1000 + slot }));
const LOAD = {
  running: 0,
  waiting: 0,
  kvUsage: 0,
  kvTokens: null,
  cachesPrefixes: null,
  isAsleep: false,
  startedAt: null,
};
const chain = chainOf(words("a", 8192));
const other = chainOf(words("b", 4096));

function used(): RoutingStand {
  const stand = new RoutingStand({ instances: 4 });
  stand.memory.index.add(1, chain, SEED);
  stand.memory.index.add(2, other, SEED);
  stand.memory.scraped(2, { ...LOAD, queries: 90_000, hits: 10 }, 0, stand.clock);
  return stand;
}

function matches(stand: RoutingStand, of = chain): number[] {
  const out = new Int32Array(4);
  stand.memory.index.match(of, SEED, [0, 1, 2, 3], out);
  return [...out];
}

Deno.test("36: a gateway that is started anew knows what the instances hold, by their addresses", () => {
  const bytes = savedIndex(used().memory, HERE, NOW);
  const next = new RoutingStand({ instances: 4 });
  // In another order, and one is gone.
  const there = [{ slot: 3, address: 1001 }, { slot: 0, address: 1002 }, { slot: 1, address: 7 }];
  assert.equal(restoreIndex(next.memory, there, bytes, NOW + 60_000), null);
  assert.deepEqual(matches(next), [0, 0, 0, 16]);
  assert.deepEqual(matches(next, other), [8, 0, 0, 0]);
  assert.equal(next.memory.index.ages.held(3), 16);
  // What is sent from now on is newer, and what came back ages.
  next.memory.index.ages.setCapacity(3, 20);
  next.memory.index.add(3, chainOf(words("c", 10_000)), SEED);
  assert.deepEqual(matches(next), [0, 0, 0, 0]);
});

Deno.test("36: an instance that was started anew meanwhile is forgotten at its first scrape", () => {
  const bytes = savedIndex(used().memory, HERE, NOW);
  const next = new RoutingStand({ instances: 4 });
  assert.equal(restoreIndex(next.memory, HERE, bytes, NOW), null);
  next.memory.scraped(2, { ...LOAD, queries: 5000, hits: 0 }, 0, next.clock);
  assert.deepEqual(matches(next, other), [0, 0, 0, 0]);
  assert.deepEqual(matches(next), [0, 16, 0, 0]);
});

Deno.test("36: an index that is damaged, cut off, too old or of another version is as good as none", () => {
  const bytes = savedIndex(used().memory, HERE, NOW);
  const text = (value: string) => new TextEncoder().encode(value);
  const flipped = bytes.slice();
  flipped[flipped.length - 5] ^= 1;
  const late = NOW + 11 * 60_000;
  const cases: [Uint8Array, number, RegExp][] = [
    [flipped, NOW, /damaged/],
    [bytes.slice(0, -1), NOW, /damaged/],
    [bytes.slice(0, -24), NOW, /damaged/],
    [bytes.slice(0, 40), NOW, /version/],
    [new Uint8Array(0), NOW, /version/],
    [text("null\n"), NOW, /version/],
    [text(`{"format":"simple-ai-gateway prefix index 1","instances":[null]}\n`), NOW, /version/],
    [text(`{"format":"simple-ai-gateway prefix index 9","instances":[]}\n`), NOW, /version/],
    [bytes, late, /older/],
  ];
  for (const [saved, now, reason] of cases) {
    const next = new RoutingStand({ instances: 4 });
    assert.match(restoreIndex(next.memory, HERE, saved, now) ?? "", reason);
    assert.deepEqual(matches(next), [0, 0, 0, 0]);
  }
});

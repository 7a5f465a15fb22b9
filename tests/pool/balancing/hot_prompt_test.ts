// The router before instances that compute prompts one after another. Numbers are those of the edge cases in
// docs/decisions/routing.md.

import assert from "node:assert/strict";
import type { PromptChain } from "../../../lib/pool/prefix/chain.ts";
import { chainOf, RoutingStand, type Sent, words } from "../routing_stand.ts";

const INSTANCES = 8;
/** Prompt tokens that an instance computes in a second, and how long it writes an answer. */
const SPEED = 16_000;
const ANSWER_MS = 1000;

interface Arrival {
  /** Milliseconds. */
  readonly at: number;
  readonly chain: PromptChain;
  readonly tokens: number;
}

type Pick = (stand: RoutingStand, chain: PromptChain) => Sent;

const byCost: Pick = (stand, chain) => stand.send(chain);

/** Fewest requests, without a look at the prompt. */
const byCount: Pick = (stand, chain) => {
  const least = Math.min(...stand.inFlight);
  const slot = stand.inFlight.indexOf(least);
  return stand.sendTo(slot, chain);
};

/** Runs arrivals in their order; milliseconds to each first token, and where it came from. */
function run(arrivals: readonly Arrival[], pick: Pick, most = Infinity) {
  const stand = new RoutingStand({ instances: INSTANCES });
  const freeAt = Array(INSTANCES).fill(stand.clock);
  const waits: { slot: number; ms: number; at: number }[] = [];
  const ends: { at: number; run: () => void }[] = [];
  const start = stand.clock;
  const runUntil = (time: number) => {
    ends.sort((a, b) => a.at - b.at);
    while (ends.length > 0 && ends[0].at <= time) {
      const end = ends.shift()!;
      stand.clock = end.at;
      end.run();
      ends.sort((a, b) => a.at - b.at);
    }
    stand.clock = time;
  };
  for (const { at, chain, tokens } of arrivals) {
    runUntil(start + at);
    for (let slot = 0; slot < INSTANCES; slot++) {
      if (stand.inFlight[slot] >= most) stand.out.add(slot);
      else stand.out.delete(slot);
    }
    if (stand.out.size === INSTANCES) continue;
    const sent = pick(stand, chain);
    const { slot, placement } = sent;
    // It truly holds what the router takes it to hold.
    const work = Math.max(16, tokens - placement.placed.foretold);
    const first = Math.max(freeAt[slot], stand.clock) + (1000 * work) / SPEED;
    freeAt[slot] = first;
    waits.push({ slot, ms: first - stand.clock, at });
    ends.push({ at: first, run: () => placement.firstToken(stand.clock) });
    ends.push({ at: first + ANSWER_MS, run: () => stand.end(sent) });
  }
  return waits;
}

/** Between 0 and 1, the same for each run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

Deno.test("3: of instances that take 24 at once, an idle one that never had the hot prompt gets it within a second", () => {
  const hot = chainOf(words("hot", 24_000));
  const rate = 150;
  const arrivals = Array.from({ length: 10 * rate }, (_, n) => ({
    at: (n * 1000) / rate,
    chain: hot,
    tokens: 6000,
  }));
  const waits = run(arrivals, byCost, 24);
  for (let slot = 0; slot < INSTANCES; slot++) {
    const first = waits.find((one) => one.slot === slot);
    assert.ok(first !== undefined && first.at < 1000, `${slot}: ${first?.at}`);
  }
});

Deno.test("4: where nothing is shared, the slowest hundredth waits no longer than by least connections", () => {
  for (const seed of [1, 2, 3]) {
    const random = randomOf(seed);
    let at = 0;
    const arrivals = Array.from({ length: 1200 }, (_, n) => {
      at += -Math.log(1 - random()) * 25;
      const tokens = Math.min(24_000, Math.round(1400 * Math.exp(1.8 * (random() - 0.5) * 2)));
      return { at, chain: chainOf(words(`${seed}-${n}`, tokens * 4)), tokens };
    });
    const p99 = (pick: Pick) => {
      const sorted = run(arrivals, pick).map(({ ms }) => ms).sort((a, b) => a - b);
      return sorted[Math.floor(0.99 * sorted.length)];
    };
    const [cost, count] = [p99(byCost), p99(byCount)];
    assert.ok(cost <= count * 1.02, `seed ${seed}: ${cost} ms, least connections ${count} ms`);
  }
});

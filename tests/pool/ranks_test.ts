// Data-parallel ranks: several engines behind one address, each with a cache of its own. Numbers are those of the
// edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import { withRanks } from "../../lib/process/snapshots.ts";
import type { Ask } from "../../lib/pool/balancing/strategy.ts";
import type { Lease } from "../../lib/pool/lease.ts";
import { ranksIn, readMetrics } from "../../lib/pool/load/vllm_metrics.ts";
import { NO_CHAIN, type PromptChain } from "../../lib/pool/prefix/chain.ts";
import { chainOf, words } from "./routing_stand.ts";
import { any, config, FleetStand, weighted } from "./stand.ts";

/** a has so many ranks, b is one engine. */
class RankedStand extends FleetStand {
  constructor(ranks: number, more: Record<string, unknown> = {}) {
    super(weighted([1, 1], { load_balancing_strategy: "prefix_aware", slow_start: 0, ...more }));
    this.rank(ranks, more);
  }

  rank(ranks: number, more: Record<string, unknown> = {}): void {
    const given = config(
      weighted([1, 1], { load_balancing_strategy: "prefix_aware", slow_start: 0, ...more }),
    );
    const next = withRanks(given, new Map([[given.instances[0].id, ranks]]));
    this.fleet.apply(next, this.slots.assign(next));
  }

  send(chain: PromptChain = NO_CHAIN, rank: number | null = null): Lease {
    const ask: Ask = { model: "m", priority: 0, chain, answerTokens: 0, session: 0, rank };
    const lease = this.pool.acquire(any, ask);
    if (lease === null || lease === "full") throw new Error(`no lease: ${lease}`);
    return lease;
  }

  answer(chain: PromptChain, rank: number | null = null): string {
    const lease = this.send(chain, rank);
    lease.firstToken();
    lease.release("success");
    return placeOf(lease);
  }

  get a() {
    return this.instance("a");
  }
}

const placeOf = ({ instance, rank }: Lease) => rank?.name ?? instance.name;

/** Metrics of engines with these numbers, each with so many tokens looked up and found. */
function metrics(labels: readonly (string | number)[], queries = 0, hits = 0): string {
  return labels.map((engine) =>
    [
      `vllm:num_requests_running{engine="${engine}"} 1`,
      `vllm:prefix_cache_queries_total{engine="${engine}"} ${queries}`,
      `vllm:prefix_cache_hits_total{engine="${engine}"} ${hits}`,
      `vllm:cache_config_info{engine="${engine}",block_size="16",num_gpu_blocks="1000"} 1`,
    ].join("\n")
  ).join("\n");
}

const counted = (labels: readonly (string | number)[]) =>
  ranksIn(readMetrics(metrics(labels))!).length;

Deno.test("39: ranks are those that the labels number without a gap", () => {
  assert.equal(counted([0, 1, 2, 3, 4, 5, 6, 7]), 8);
  // Of a server that has a part of the ranks of a fleet.
  assert.equal(counted([10, 8, 9, 11]), 4);
  assert.equal(counted([0]), 0, "one engine");
  assert.equal(counted([0, 1, 3]), 0, "one is missing, so that nobody knows which is which");
  assert.equal(counted(["a", "b"]), 0, "no numbers");
  const upTo = (count: number) => counted(Array.from({ length: count }, (_, engine) => engine));
  assert.deepEqual([upTo(64), upTo(65), upTo(96)], [64, 0, 0], "all of them or none");
  const many = readMetrics(metrics(Array.from({ length: 96 }, (_, engine) => engine), 500))!;
  assert.deepEqual([many.whole.running, many.whole.queries], [96, 48_000]);
  const load = readMetrics(metrics([0, 1, 2], 500, 100))!;
  assert.deepEqual([load.whole.running, load.whole.queries, load.whole.hits], [3, 1500, 300]);
  assert.deepEqual([load.whole.kvTokens, ranksIn(load)[1].kvTokens], [48_000, 16_000]);
});

Deno.test("39: a prompt stays with the rank that has its beginning; new ones are spread over all", () => {
  const stand = new RankedStand(4);
  const chats = Array.from({ length: 40 }, (_, n) => chainOf(words(n, 3000)));
  const first = chats.map((chat) => stand.answer(chat));
  assert.deepEqual([...new Set(first)].sort(), ["a/0", "a/1", "a/2", "a/3", "b"]);
  assert.deepEqual(chats.map((chat) => stand.answer(chat)), first);
});

Deno.test("39: requests count at their rank and at their instance, and are gone with their end", () => {
  const stand = new RankedStand(4);
  const leases = Array.from({ length: 10 }, (_, n) => stand.send(chainOf(words(n, 3000))));
  const { own } = stand.shared.routing;
  const atRanks = () => stand.a.ranks.map(({ inFlight }) => inFlight);
  const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
  assert.equal(sum(atRanks()), stand.a.inFlight);
  assert.ok(Math.max(...atRanks()) <= 4, `of ten over five engines: ${atRanks()}`);
  assert.ok(sum(stand.a.slots.map((slot) => own.pending(slot))) > 0);
  for (const lease of leases) lease.release("neutral");
  assert.deepEqual(atRanks(), [0, 0, 0, 0]);
  assert.equal(stand.a.inFlight, 0);
  assert.equal(sum(stand.a.slots.map((slot) => own.pending(slot) + own.unanswered(slot))), 0);
});

Deno.test("39: what metrics say of a rank turns prompts away from it alone", () => {
  const stand = new RankedStand(4);
  const busy = metrics([0, 1, 2, 3]).replace(
    'running{engine="2"} 1',
    'running{engine="2"} 90',
  ) + '\nvllm:num_requests_waiting{engine="2"} 50';
  const load = readMetrics(busy)!;
  stand.fleet.scraped(stand.a, load.whole, ranksIn(load));
  stand.fleet.scraped(stand.instance("b"), readMetrics(metrics([0]))!.whole);
  const places = Array.from({ length: 40 }, (_, n) => stand.answer(chainOf(words(n, 3000))));
  assert.deepEqual([...new Set(places)].sort(), ["a/0", "a/1", "a/3", "b"]);
});

Deno.test("39: where a rank vanishes the others keep what they have; where all are one, the instance serves", () => {
  const stand = new RankedStand(4);
  const chats = Array.from({ length: 40 }, (_, n) => chainOf(words(n, 3000)));
  const first = chats.map((chat) => stand.answer(chat));
  const open = stand.send(chainOf(words("open", 3000)));
  stand.rank(3);
  const kept = chats.filter((_, n) => first[n] !== "a/3");
  assert.deepEqual(kept.map((chat) => stand.answer(chat)), first.filter((at) => at !== "a/3"));
  for (const chat of chats) assert.notEqual(stand.answer(chat), "a/3");
  stand.rank(0);
  assert.deepEqual(
    [...new Set(chats.map((chat) => stand.answer(chat)))].sort(),
    ["a", "b"],
  );
  open.release("success");
  assert.equal(stand.a.inFlight + stand.instance("b").inFlight, 0);
  // Their places are free for others again.
  const slots = () => stand.a.ranks.map(({ slot }) => slot);
  stand.rank(4);
  const again = slots();
  stand.rank(0);
  stand.rank(4);
  assert.deepEqual(slots(), again);
});

Deno.test("39: the rank that a client names counts where the configuration lets it", () => {
  const chat = chainOf(words("chat", 3000));
  const own = new RankedStand(4, { routing: { data_parallel: "client" } });
  // One server of two has such a rank.
  const named = Array.from({ length: 6 }, () => own.answer(chat, 2));
  assert.ok(named.every((at) => at === "a/2" || at === "b"), `${named}`);
  const ours = new RankedStand(4);
  const first = ours.answer(chat);
  assert.deepEqual([0, 1, 2, 3].map((rank) => ours.answer(chat, rank)), Array(4).fill(first));
  const off = new RankedStand(4, { routing: { data_parallel: "off" } });
  assert.deepEqual(off.a.ranks, []);
});

Deno.test("39: a server that does not heed the rank is found by hits that do not come true", () => {
  const stand = new RankedStand(4);
  const chats = Array.from({ length: 10 }, (_, n) => chainOf(words(n, 24_000)));
  assert.ok(stand.fleet.heedsRanks(stand.a));
  for (let turn = 0; turn < 40; turn++) {
    for (const chat of chats) {
      const lease = stand.send(chat);
      lease.firstToken();
      lease.usage(6000, lease.rank === null ? 6000 : 0);
      lease.release("success");
    }
  }
  assert.ok(!stand.fleet.heedsRanks(stand.a));
  assert.ok(stand.fleet.heedsRanks(stand.instance("b")), "what b says comes true");
});

Deno.test("39: a server that was started anew has lost what its ranks held", () => {
  const stand = new RankedStand(2);
  const scraped = (queries: number) => {
    const load = readMetrics(metrics([0, 1], queries))!;
    return stand.fleet.scraped(stand.a, load.whole, ranksIn(load));
  };
  assert.equal(scraped(90_000), false);
  const held = () => stand.a.slots.map((slot) => stand.shared.routing.index.ages.held(slot));
  for (let n = 0; n < 20; n++) stand.answer(chainOf(words(n, 3000)));
  assert.ok(held().slice(1).every((chunks) => chunks > 0), `${held()}`);
  assert.equal(scraped(5), true);
  assert.deepEqual(held(), [0, 0, 0]);
});

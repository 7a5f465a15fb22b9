// Strategies that look at prompts, in a fleet: leases open and close the books. Numbers are those of the
// edge cases in docs/decisions/routing.md.

import assert from "node:assert/strict";
import type { Ask } from "../../lib/pool/balancing/strategy.ts";
import type { Lease } from "../../lib/pool/lease.ts";
import { NO_CHAIN, type PromptChain } from "../../lib/pool/prefix/chain.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { chainOf, words } from "./routing_stand.ts";
import { any, FleetStand, weighted } from "./stand.ts";

const PREFIX_AWARE = { load_balancing_strategy: "prefix_aware" };
const CHAT = chainOf(words("chat", 6000));

const asking = (chain: PromptChain, answerTokens = 0): Ask => ({
  model: "m",
  priority: 0,
  chain,
  answerTokens,
  session: 0,
  rank: null,
});

function take(stand: FleetStand, chain: PromptChain): Lease {
  const lease = stand.pool.acquire(any, asking(chain));
  if (lease === null || lease === "full") throw new Error(`no lease: ${lease}`);
  return lease;
}

function answered(stand: FleetStand, chain: PromptChain): string {
  const lease = take(stand, chain);
  lease.firstToken();
  lease.release("success");
  return lease.instance.name;
}

function open(stand: FleetStand): number {
  const { own } = stand.shared.routing;
  let sum = 0;
  for (const { slot } of stand.fleet.instances) sum += own.pending(slot) + own.unanswered(slot);
  return sum;
}

Deno.test("a prompt goes where one that begins alike was answered; with round robin it does not", () => {
  const routed = new FleetStand(weighted([1, 1, 1], PREFIX_AWARE));
  const [first, ...others] = Array.from({ length: 6 }, () => answered(routed, CHAT));
  assert.deepEqual(others, Array(5).fill(first));
  const plain = new FleetStand(weighted([1, 1, 1]));
  assert.equal(new Set(Array.from({ length: 6 }, () => answered(plain, CHAT))).size, 3);
  assert.equal(open(plain), 0, "and nothing is noted");
});

Deno.test("bounded_hash: every gateway sends a prompt to the same instance without a word", () => {
  const options = weighted([1, 1, 1], { load_balancing_strategy: "bounded_hash" });
  const stands = [new FleetStand(options), new FleetStand(options)];
  for (let n = 0; n < 20; n++) {
    const chain = chainOf(words(n, 3000));
    assert.equal(answered(stands[0], chain), answered(stands[1], chain));
  }
});

Deno.test("18: a lease that ends in any way leaves nothing on the books", () => {
  const stand = new FleetStand(weighted([1, 1, 1], PREFIX_AWARE));
  for (const outcome of ["success", "neutral", "busy", "misconfigured"] as const) {
    for (const chain of [CHAT, NO_CHAIN]) {
      const lease = take(stand, chain);
      assert.ok(open(stand) > 0);
      if (outcome === "neutral") lease.answered();
      lease.release(outcome);
      lease.release(outcome);
      lease.firstToken();
      assert.equal(open(stand), 0, outcome);
    }
  }
  using dropped = take(stand, CHAT);
  assert.ok(dropped.instance.inFlight > 0);
});

Deno.test("19: an attempt that failed leaves no note behind: the prompt stays with the one that answered it", () => {
  const stand = new FleetStand(weighted([1, 1, 1], PREFIX_AWARE));
  const failed = take(stand, CHAT);
  failed.release("failure", "reset");
  const retry = stand.pool.acquire((instance) => instance !== failed.instance, asking(CHAT));
  if (retry === null || retry === "full") throw new Error("no lease");
  retry.firstToken();
  retry.release("success");
  assert.equal(answered(stand, CHAT), retry.instance.name);
});

Deno.test("14: an instance that is found down has lost what it held", () => {
  const stand = new FleetStand(weighted([1, 1, 1], PREFIX_AWARE));
  const name = answered(stand, CHAT);
  const instance = stand.instance(name);
  stand.fleet.outlier.markDown(instance, "connection refused");
  const other = answered(stand, CHAT);
  assert.notEqual(other, name);
  stand.fleet.outlier.markUp(instance);
  assert.equal(answered(stand, CHAT), other);
});

Deno.test("22: a reload keeps what is known by the identity of an instance, and nothing for a new one", () => {
  const stand = new FleetStand(weighted([1, 1, 1], PREFIX_AWARE));
  const name = answered(stand, CHAT);
  const { slot } = stand.instance(name);
  const { index } = stand.shared.routing;
  stand.apply(weighted([2, 2, 2], PREFIX_AWARE));
  assert.equal(answered(stand, CHAT), name);
  assert.ok(index.ages.held(slot) > 0);
  // Away, and another one in its place.
  const all = weighted([1, 1, 1]).instances;
  const kept = all.filter((other) => other.name !== name);
  stand.apply({ ...PREFIX_AWARE, instances: kept });
  const added = { url: "http://10.0.0.9:8000/v1", model_name: "m", name: "new" };
  stand.apply({ ...PREFIX_AWARE, instances: [...kept, added] });
  assert.equal(stand.instance("new").slot, slot);
  assert.equal(index.ages.held(slot), 0);
});

Deno.test("24: workers share one index, one that dies takes its open requests with it", () => {
  const shared = SharedState.create();
  const options = weighted([1, 1, 1], PREFIX_AWARE);
  const first = new FleetStand(options, shared);
  const second = new FleetStand(options, new SharedState(shared.buffer, 1));
  const name = answered(second, CHAT);
  assert.equal(answered(first, CHAT), name);
  take(second, chainOf(words("open", 9000)));
  assert.ok(open(first) > 0);
  shared.dropWorker(1);
  assert.equal(open(first), 0);
  assert.equal(answered(first, CHAT), name);
});

Deno.test("29: a prompt goes to an instance that can hold it, and waits for its room rather than fail elsewhere", () => {
  const { instances } = weighted([1, 1, 1]);
  const stand = new FleetStand({
    ...PREFIX_AWARE,
    instances: instances.map((one, at) => ({
      ...one,
      max_concurrency: 1,
      max_context: [4096, 4096, 32_768][at],
    })),
  });
  const long = chainOf(words("long", 40_000));
  const lease = take(stand, long);
  assert.equal(lease.instance.name, "c");
  assert.equal(stand.pool.acquire(any, asking(long)), "full");
  assert.equal(stand.pool.acquire(any, asking(NO_CHAIN, 30_000)), "full");
  assert.notEqual(stand.pool.acquire(any, asking(NO_CHAIN)), "full");
});

Deno.test("13: two names of one upstream model share what is cached, a base model and its adapter do not", () => {
  const stand = new FleetStand({
    ...PREFIX_AWARE,
    instances: [1, 2, 3, 4].map((n) => ({
      url: `http://10.0.0.${n}:8000/v1`,
      model_name: ["small", "large", "base", "adapter"],
      upstream_model: { small: "qwen", large: "qwen" },
    })),
  });
  const hit = (model: string, chain: PromptChain) => {
    const lease = stand.fleet.pool(model)!.acquire(any, { ...asking(chain), model });
    if (lease === null || lease === "full") throw new Error(`no lease: ${lease}`);
    lease.firstToken();
    lease.release("success");
    return { name: lease.instance.name, hit: lease.receipt!.hit };
  };
  for (let n = 0; n < 8; n++) {
    const chain = chainOf(words(`prompt ${n}`, 6000));
    const first = hit("small", chain);
    assert.equal(first.hit, 0);
    const second = hit("large", chain);
    assert.equal(second.name, first.name);
    assert.ok(second.hit > 1000, `${second.hit} tokens`);
    assert.equal(hit("base", chain).hit, 0);
    assert.equal(hit("adapter", chain).hit, 0);
  }
});

Deno.test("23: one that is drained or out gets nothing for what it holds, and its prompts back when it returns", () => {
  const stand = new FleetStand(weighted([1, 1, 1], PREFIX_AWARE));
  const home = answered(stand, CHAT);
  const at = "abc".indexOf(home);
  const others = [0, 1, 2].filter((n) => n !== at).map((n) => "abc"[n]);
  stand.apply(weighted([0, 1, 2].map((n) => n === at ? 0 : 1), PREFIX_AWARE));
  const away = answered(stand, CHAT);
  assert.ok(others.includes(away), `drained, asked at ${away}`);
  stand.apply(weighted([1, 1, 1], { ...PREFIX_AWARE, slow_start: 10 }));
  const held = chainOf(words("held", 6000));
  const holder = answered(stand, held);
  stand.fleet.outlier.markHung(stand.instance(holder), "silent");
  for (let n = 0; n < 4; n++) assert.notEqual(answered(stand, held), holder);
  stand.clock += 3_600_000;
  stand.fleet.outlier.markUp(stand.instance(holder));
  assert.equal(stand.instance(holder).condition, "healthy");
  // It was not started anew: what it held is known, and counts again.
  const told = stand.shared.locked(() => stand.pool.explain(asking(held), null));
  const cached = told.instances.find(({ name }) => name === holder)!.weight!.cached;
  assert.ok(cached > 1000, `${cached} tokens`);
});

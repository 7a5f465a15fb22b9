// The counters of one process: buckets that fill all the time, places at once, all scopes in one step.

import assert from "node:assert/strict";
import type { Work } from "../../lib/caller/counters.ts";
import { MemoryCounters } from "../../lib/caller/memory_counters.ts";
import { Scope } from "../../lib/caller/scope.ts";
import type { Rates } from "../../lib/config/access.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { rates } from "./rates.ts";

function key(name: string, limits: Partial<Rates>): Scope {
  return new Scope("key", name, rates(limits), []);
}

class Stand {
  nowMs = 1000;
  freed = 0;
  readonly shared = SharedState.create();
  readonly counters = this.ofWorker(this.shared);

  ofWorker(shared: SharedState): MemoryCounters {
    return new MemoryCounters(shared.limits, () => this.nowMs, () => this.freed++);
  }

  reserve(scopes: Scope[], work: Partial<Work> = {}, counters = this.counters) {
    return counters.reserve({
      sharedName: null,
      scopes,
      requests: 1,
      tokens: 0,
      slot: false,
      ...work,
    });
  }

  /** The reservation, or a failure. */
  take(scopes: Scope[], work: Partial<Work> = {}, counters = this.counters) {
    const reserved = this.reserve(scopes, work, counters);
    assert.equal(reserved.kind, "reserved");
    return reserved.kind === "reserved" ? reserved.reservation : assert.fail();
  }

  short(scopes: Scope[], work: Partial<Work> = {}, counters = this.counters) {
    const reserved = this.reserve(scopes, work, counters);
    return reserved.kind === "short" ? reserved.shortages : assert.fail(reserved.kind);
  }
}

Deno.test("a minute's worth may be used at once, and comes back all the time", () => {
  const stand = new Stand();
  const web = key("web", { requestsPerMinute: 600 });
  for (let count = 0; count < 600; count++) stand.take([web]);
  const [short] = stand.short([web]);
  assert.equal(short.limit, "requests_per_minute");
  assert.equal(short.left, 0);
  assert.ok(Math.abs(short.waitMs! - 100) < 0.01);
  stand.nowMs += 100;
  stand.take([web]);
  stand.short([web]);
  stand.nowMs += 60_000;
  for (let count = 0; count < 600; count++) stand.take([web]);
  stand.short([web]);
});

Deno.test("access: burst says how many seconds' worth may be used at once", () => {
  const stand = new Stand();
  const web = key("web", { requestsPerMinute: 60, burstS: 5 });
  for (let count = 0; count < 5; count++) stand.take([web]);
  stand.short([web]);
  const slow = key("slow", { requestsPerMinute: 2, burstS: 1 });
  stand.take([slow]);
  assert.ok(stand.short([slow])[0].waitMs! > 29_000);
});

Deno.test("all limits of key, group and model are taken in one step or not at all", () => {
  const stand = new Stand();
  const web = key("web", { requestsPerMinute: 10, tokensPerMinute: 1000 });
  const group = new Scope("group", "g", rates({ tokensPerMinute: 500, concurrency: 1 }), []);
  const held = stand.take([web, group], { tokens: 400, slot: true });
  const shortages = stand.short([web, group], { tokens: 400, slot: true });
  assert.deepEqual(shortages.map(({ scope, limit }) => `${scope.id} ${limit}`), [
    "group g tokens_per_minute",
    "group g concurrency",
  ]);
  const left = stand.counters.look([web]).map((level) => level.left);
  assert.deepEqual(left, [9, 600]);
  stand.counters.settle(held, 100);
  assert.deepEqual(stand.counters.look([web]).map((level) => level.left), [9, 900]);
  stand.take([web, group], { tokens: 400, slot: true });
});

Deno.test("access 11: what was not used is given back whole, but for the request itself", () => {
  const stand = new Stand();
  const web = key("web", { requestsPerMinute: 10, tokensPerMinute: 1000, concurrency: 1 });
  stand.counters.settle(stand.take([web], { tokens: 900, slot: true }), 0);
  const left = stand.counters.look([web]).map((level) => level.left);
  assert.deepEqual(left, [9, 1000, 1]);
  assert.equal(stand.freed, 1);
});

Deno.test("who overdrew waits longer, but not for more than two full buckets", () => {
  const stand = new Stand();
  const web = key("web", { tokensPerMinute: 1000 });
  stand.counters.settle(stand.take([web], { tokens: 100 }), 50_000);
  const [short] = stand.short([web], { tokens: 1 });
  assert.equal(short.left, 0);
  assert.ok(Math.abs(short.waitMs! - 60_060) < 1);
});

Deno.test("access 16: what alone exceeds the bucket can never be taken, and that is said", () => {
  const stand = new Stand();
  const web = key("web", { tokensPerMinute: 1000 });
  assert.equal(stand.short([web], { tokens: 1001 })[0].waitMs, null);
  stand.take([web], { tokens: 1000 });
});

Deno.test("access 21: half full stays half full when a limit changes, and one that is gone settles nowhere", () => {
  const stand = new Stand();
  const before = key("web", { requestsPerMinute: 100, tokensPerMinute: 1000 });
  for (let count = 0; count < 50; count++) stand.take([before]);
  const held = stand.take([before], { requests: 0, tokens: 500 });
  const after = key("web", { requestsPerMinute: 10, tokensPerMinute: 8000 });
  assert.deepEqual(stand.counters.look([after]).map((level) => level.left), [5, 4000]);
  const gone = key("web", {});
  assert.deepEqual(stand.counters.look([gone]), []);
  stand.counters.settle(held, 800);
  stand.take([gone]);
  assert.deepEqual(stand.counters.look([key("other", { requestsPerMinute: 10 })])[0].left, 10);
});

Deno.test("access 21: fewer at once than run already cuts nobody, and lets nobody in", () => {
  const stand = new Stand();
  const wide = key("web", { concurrency: 3 });
  const held = [1, 2, 3].map(() => stand.take([wide], { slot: true }));
  const narrow = key("web", { concurrency: 1 });
  stand.short([narrow], { slot: true });
  stand.counters.settle(held[0], 0);
  stand.counters.settle(held[1], 0);
  stand.short([narrow], { slot: true });
  stand.counters.settle(held[2], 0);
  stand.take([narrow], { slot: true });
});

Deno.test("access 22: two workers share a key's places at once exactly, and a dead one's are free again", () => {
  const stand = new Stand();
  const second = new SharedState(stand.shared.buffer, 1);
  const other = stand.ofWorker(second);
  const web = key("web", { concurrency: 3 });
  stand.take([web], { slot: true });
  const held = stand.take([web], { slot: true }, other);
  stand.take([web], { slot: true }, other);
  stand.short([web], { slot: true });
  stand.short([web], { slot: true }, other);
  stand.counters.settle(held, 0);
  // Settled by the wrong worker's hand the sum is right all the same.
  stand.take([web], { slot: true });
  stand.short([web], { slot: true });
  stand.shared.dropWorker(1);
  stand.take([web], { slot: true });
});

Deno.test("access 23: only the clock that never goes back fills a bucket", () => {
  const stand = new Stand();
  const web = key("web", { requestsPerMinute: 60 });
  for (let count = 0; count < 60; count++) stand.take([web]);
  stand.nowMs -= 500;
  assert.ok(stand.short([web])[0].waitMs! >= 1000);
});

Deno.test("ten thousand keys that come and go leave room for the next", () => {
  const stand = new Stand();
  for (let count = 0; count < 10_000; count++) {
    const one = key(`key-${count}`, { requestsPerMinute: 60 });
    stand.take([one]);
    stand.nowMs += 10;
  }
  const web = key("web", { requestsPerMinute: 1 });
  stand.take([web]);
  stand.short([web]);
});

Deno.test("what found no room to be counted takes nothing from what is counted later", () => {
  const stand = new Stand();
  const held: ReturnType<Stand["take"]>[] = [];
  const limited = { concurrency: 1, tokensPerMinute: 100 };
  const work = { slot: true, tokens: 60 };
  const hasRoom = (scope: Scope) => stand.shared.limits.place(scope.hash, stand.nowMs) >= 0;
  let late: Scope | null = null;
  for (let count = 0; late === null; count++) {
    const scope = key(`k${count}`, limited);
    held.push(stand.take([scope], work));
    if (!hasRoom(scope)) late = scope;
  }
  const first = held.pop()!;
  for (const reservation of held) stand.counters.settle(reservation, 0);
  const second = stand.take([late], work);
  stand.counters.settle(first, 0);
  assert.deepEqual(
    stand.short([late], work).map(({ limit }) => limit).sort(),
    ["concurrency", "tokens_per_minute"],
  );
  stand.counters.settle(second, 60);
  stand.take([late], { slot: true });
  stand.short([late], { slot: true });
});

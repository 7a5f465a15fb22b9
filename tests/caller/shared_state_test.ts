// Limits that several gateways share, by a real redis-server, which is stopped, frozen, emptied and more.

import assert from "node:assert/strict";
import type { Rates } from "../../lib/config/access.ts";
import { MemoryCounters } from "../../lib/caller/memory_counters.ts";
import type { Counters, Reserved, Work } from "../../lib/caller/counters.ts";
import { Scope } from "../../lib/caller/scope.ts";
import { SharedCounters, type WhenDown } from "../../lib/caller/shared/shared_counters.ts";
import { SharedStore } from "../../lib/caller/shared/store.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { RedisServer, testWithRedis as test } from "../support/redis_server.ts";
import { waitFor } from "../support/wait.ts";
import { rates } from "./rates.ts";

const TIMEOUT_S = 0.5;
const PATIENT_S = 20;
/** What a call may take beside its timeout, on a machine that stands still; without one it would take for ever. */
const SLACK_MS = 5000;

const key = (more: Partial<Rates>, name = "web") => new Scope("key", name, rates(more), []);

const work = (scopes: Scope[], tokens = 0): Work => ({
  sharedName: null,
  scopes,
  requests: 1,
  tokens,
  slot: true,
});

/** A gateway as far as limits go. */
class Host implements AsyncDisposable {
  readonly changes: boolean[] = [];
  readonly store: SharedStore;
  readonly counters: SharedCounters;
  readonly local: Counters;

  constructor(
    url: string,
    whenDown: WhenDown = "local",
    clockOffMs = 0,
    timeoutS = TIMEOUT_S,
  ) {
    const now = () => performance.now() + clockOffMs;
    const config = { url, prefix: "sag", timeoutS, whenDown };
    this.store = new SharedStore(config, {
      onChange: (isUp) => {
        this.changes.push(isUp);
        if (isUp) this.counters.returned();
      },
    });
    this.local = new MemoryCounters(SharedState.create().limits, now, () => {});
    this.counters = new SharedCounters({ store: this.store, whenDown, local: this.local });
  }

  async up(): Promise<this> {
    await waitFor(() => this.store.isUp, "the store to be up");
    return this;
  }

  async down(): Promise<void> {
    await waitFor(() => !this.store.isUp, "the store to be down");
  }

  /** Reserves, and says how long that took. */
  async timed(one: Work): Promise<[Reserved, number]> {
    const begun = performance.now();
    const reserved = await this.counters.reserve(one);
    return [reserved, performance.now() - begun];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.counters.close();
    await this.store.close();
  }
}

/** One for whom the server is there, however slow the machine is: he never goes by himself. */
function patient(url: string, clockOffMs = 0): Promise<Host> {
  return new Host(url, "local", clockOffMs, PATIENT_S).up();
}

function held(reserved: Reserved) {
  assert.equal(reserved.kind, "reserved");
  return (reserved as Reserved & { kind: "reserved" }).reservation;
}

async function left(counters: Counters, scope: Scope): Promise<Record<string, number>> {
  const levels = await counters.look([scope]);
  return Object.fromEntries(levels.map(({ limit, left }) => [limit, left]));
}

test("access 22: two hosts share a concurrency of 3: never 4, and what ends makes room", async () => {
  await using redis = await RedisServer.start();
  await using one = await patient(redis.url);
  await using other = await patient(redis.url);
  const scope = key({ concurrency: 3 });
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).counters.reserve(work([scope]))),
  );
  const got = all.flatMap((answer, i) => answer.kind === "reserved" ? [{ answer, i }] : []);
  assert.equal(got.length, 3);
  const short = all.find(({ kind }) => kind === "short") as Reserved & { kind: "short" };
  assert.equal(short.shortages[0].limit, "concurrency");
  const [{ answer, i }] = got;
  (i % 2 ? one : other).counters.settle(held(answer), 0);
  await waitFor(
    async () => (await left(other.counters, scope)).concurrency === 1,
    "the slot to be free",
  );
  assert.equal((await other.counters.reserve(work([scope]))).kind, "reserved");
  assert.equal((await one.counters.reserve(work([scope]))).kind, "short");
});

test("access 22: requests and tokens of all scopes are taken in one step, or none", async () => {
  await using redis = await RedisServer.start();
  await using one = await patient(redis.url);
  await using other = await patient(redis.url);
  const web = key({ requestsPerMinute: 10, tokensPerMinute: 1000 });
  const group = new Scope("group", "team", rates({ tokensPerMinute: 300 }), []);
  const first = held(await one.counters.reserve(work([web, group], 250)));
  assert.deepEqual(
    first.levels.map(({ scope, limit, left }) => [scope.name, limit, left]),
    [["web", "requests_per_minute", 9], ["web", "tokens_per_minute", 750], [
      "team",
      "tokens_per_minute",
      50,
    ]],
  );
  const second = await other.counters.reserve(work([web, group], 100));
  assert.ok(second.kind === "short");
  assert.equal(second.shortages[0].scope.name, "team");
  assert.ok(second.shortages[0].waitMs! > 9_000 && second.shortages[0].waitMs! <= 10_000);
  assert.equal((await left(other.counters, web)).requests_per_minute, 9);
  const never = await other.counters.reserve(work([web, group], 5000));
  assert.ok(never.kind === "short" && never.shortages[0].waitMs === null);
  // Real usage: less than was reserved.
  one.counters.settle(first, 20);
  await waitFor(
    async () => (await left(other.counters, group)).tokens_per_minute >= 280,
    "the rest",
  );
  assert.ok((await left(other.counters, web)).tokens_per_minute >= 980);
});

test("access 23: a host whose clock is 90 s off changes nothing", async () => {
  await using redis = await RedisServer.start();
  await using one = await patient(redis.url, 90_000);
  await using other = await patient(redis.url, -90_000);
  const scope = key({ requestsPerMinute: 4 });
  for (const host of [one, other, one, other]) held(await host.counters.reserve(work([scope])));
  for (const host of [one, other]) {
    const answer = await host.counters.reserve(work([scope]));
    assert.ok(answer.kind === "short" && answer.shortages[0].waitMs! <= 15_000);
  }
});

test("access 24: a server that is not there is no reason to wait, and no 429", async () => {
  await using redis = await RedisServer.start();
  await redis.stop();
  for (const whenDown of ["local", "open", "closed"] as const) {
    await using host = new Host(redis.url, whenDown);
    await waitFor(() => host.changes.length > 0, "the first word");
    assert.deepEqual(host.changes, [false]);
    const scope = key({ concurrency: 2 });
    const kinds = [];
    for (let i = 0; i < 3; i++) {
      const [answer, ms] = await host.timed(work([scope]));
      kinds.push(answer.kind);
      assert.ok(ms < SLACK_MS, `${ms} ms`);
      if (answer.kind === "reserved") assert.ok(answer.reservation.isLocal);
    }
    const expected = {
      local: ["reserved", "reserved", "short"],
      open: ["reserved", "reserved", "reserved"],
      closed: ["closed", "closed", "closed"],
    };
    assert.deepEqual(kinds, expected[whenDown]);
  }
});

test("access 24, 25: a frozen server is waited for as long as `timeout` says, then not at all; nothing is taken twice", async () => {
  await using redis = await RedisServer.start();
  await using host = await new Host(redis.url).up();
  const scope = key({ requestsPerMinute: 1000, tokensPerMinute: 100_000, concurrency: 50 });
  const before = held(await host.counters.reserve(work([scope], 1000)));
  redis.freeze();
  const during = [];
  for (let i = 0; i < 6; i++) {
    const [answer, ms] = await host.timed(work([scope], 1000));
    during.push(held(answer));
    assert.ok(ms < TIMEOUT_S * 1000 + SLACK_MS, `${ms} ms`);
  }
  assert.ok(during.every(({ isLocal }) => isLocal));
  await host.down();
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const [answer, ms] = await host.timed(work([scope], 1000));
    during.push(held(answer));
    times.push(ms);
  }
  assert.ok(Math.min(...times) < TIMEOUT_S * 1000, `out: ${times} ms`);
  // Ends while it is out are told when it is back, once.
  host.counters.settle(before, 400);
  for (const one of during) host.counters.settle(one, 700);
  redis.thaw();
  await host.up();
  // What it did late is given back: only the one request that it knew of is charged.
  await waitFor(async () => {
    const levels = await left(host.counters, scope);
    return levels.concurrency === 50 && levels.tokens_per_minute >= 99_600;
  }, "everything to be told");
  const { tokens_per_minute } = await left(host.counters, scope);
  assert.ok(tokens_per_minute <= 99_600 + 2000, String(tokens_per_minute));
  assert.deepEqual(host.changes, [true, false, true]);
  assert.ok(held(await host.counters.reserve(work([scope], 1))).isLocal === false);
});

test("access 24: a server that loads, reads only, or has no memory left is out, and comes back", async () => {
  await using redis = await RedisServer.start();
  await using host = await new Host(redis.url).up();
  const scope = key({ concurrency: 50 });
  const goesOut = async (what: string) => {
    await waitFor(async () => {
      const [answer, ms] = await host.timed(work([scope]));
      assert.ok(answer.kind !== "closed" && ms < TIMEOUT_S * 1000 + SLACK_MS, `${what}: ${ms} ms`);
      if (answer.kind === "reserved") host.counters.settle(answer.reservation, 0);
      return !host.store.isUp;
    }, what);
  };
  await redis.ask("REPLICAOF", "127.0.0.1", "1");
  await goesOut("READONLY");
  await redis.ask("REPLICAOF", "NO", "ONE");
  await host.up();
  await redis.ask("SET", "filler", "x".repeat(100_000));
  await redis.ask("CONFIG", "SET", "maxmemory", "1000");
  await goesOut("OOM");
  const changes = host.changes.length;
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal(host.changes.length, changes, "it stays out, whatever else the server still does");
  await redis.ask("CONFIG", "SET", "maxmemory", "0");
  await host.up();
  for (let i = 0; i < 1000; i++) redis.ask("SET", `filler ${i}`, "x").catch(() => {});
  await redis.ask("SAVE");
  await redis.stop();
  await goesOut("a server that is gone");
  await redis.startAgain([
    ...["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"],
  ], false);
  await waitFor(
    () => redis.says("GET x").then((said) => said.startsWith("-LOADING"), () => false),
    "LOADING",
  );
  assert.ok(held(await host.counters.reserve(work([scope]))).isLocal);
  assert.ok(!host.store.isUp);
  await host.up();
});

test("access 24: after a restart, which forgets the scripts, the next request is counted", async () => {
  await using redis = await RedisServer.start();
  await using host = await patient(redis.url);
  const scope = key({ concurrency: 2 });
  const first = held(await host.counters.reserve(work([scope])));
  await redis.ask("SCRIPT", "FLUSH");
  const second = held(await host.counters.reserve(work([scope])));
  assert.ok(!second.isLocal);
  await redis.stop();
  await waitFor(async () => {
    const answer = await host.counters.reserve(work([scope]));
    if (answer.kind === "reserved") host.counters.settle(answer.reservation, 0);
    return !host.store.isUp;
  }, "the fault to be seen");
  await redis.startAgain();
  await host.up();
  // Both run on: the server is told of them again.
  await waitFor(async () => (await left(host.counters, scope)).concurrency === 0, "the renewal");
  host.counters.settle(first, 0);
  host.counters.settle(second, 0);
  await waitFor(async () => (await left(host.counters, scope)).concurrency === 2, "free slots");
});

test("access 24: what was flushed fails nobody, and ends that come later do no harm", async () => {
  await using redis = await RedisServer.start();
  await using host = await patient(redis.url);
  const scope = key({ tokensPerMinute: 1000, concurrency: 5 });
  const begun = performance.now();
  const first = held(await host.counters.reserve(work([scope], 900)));
  assert.equal((await host.counters.reserve(work([scope], 900))).kind, "short");
  await redis.ask("FLUSHALL");
  const second = held(await host.counters.reserve(work([scope], 500)));
  host.counters.settle(first, 100);
  host.counters.settle(second, 500);
  await waitFor(async () => (await left(host.counters, scope)).concurrency === 5, "free slots");
  const { tokens_per_minute } = await left(host.counters, scope);
  const come = (performance.now() - begun) / 60;
  assert.ok(tokens_per_minute >= 500 && tokens_per_minute <= 501 + come, `${tokens_per_minute}`);
});

test("access 25: an end that is told twice counts once, and none comes to pass behind it", async () => {
  await using redis = await RedisServer.start();
  await using host = await patient(redis.url);
  const { store } = host;
  const keys = ["request:r", "bucket:key web", "slots:key web"].map((name) => store.name(name));
  const reserve = ["r", 1, 100, 1, 30_000, 90_000, -1, 1000, 5, 60_000, 60_000, 1];
  const settle = [60_000, "r", -60, 1, 1000, 60_000];
  const begun = performance.now();
  assert.equal(Number((await store.run("reserve", keys, reserve) as string[])[0]), 1);
  assert.equal(Number((await store.run("reserve", keys, reserve) as string[])[0]), 1);
  const scope = key({ tokensPerMinute: 1000, concurrency: 5 });
  assert.deepEqual((await left(host.counters, scope)).concurrency, 4);
  assert.equal(await store.run("settle", keys, settle), 1);
  assert.equal(await store.run("settle", keys, settle), 0);
  // What was asked for first and is done last, by a server that was frozen meanwhile.
  assert.equal(Number((await store.run("reserve", keys, reserve) as string[])[0]), 2);
  const { concurrency, tokens_per_minute } = await left(host.counters, scope);
  assert.equal(concurrency, 5);
  const come = (performance.now() - begun) / 60;
  assert.ok(tokens_per_minute >= 960 && tokens_per_minute <= 961 + come, `${tokens_per_minute}`);
});

test("access 25: ends are told together, and one that the server refuses holds up no other", async () => {
  await using redis = await RedisServer.start();
  await using host = await patient(redis.url);
  const scopes = Array.from({ length: 100 }, (_, i) => key({ concurrency: 1 }, `key ${i}`));
  const all = await Promise.all(scopes.map((scope) => host.counters.reserve(work([scope]))));
  const [odd, ...good] = scopes.map(({ id }) => host.store.name("slots", id)).toReversed();
  // What another program has written there.
  await redis.ask("SET", odd, "no set");
  const before = await scriptsRun(redis);
  for (const one of all) host.counters.settle(held(one), 0);
  for (const slots of good) {
    await waitFor(async () => await redis.ask("ZCARD", slots) === 0, `${slots} to be free`);
  }
  // The first end goes alone, 63 others at once, and of the last 36 each by itself.
  const run = await scriptsRun(redis) - before;
  assert.ok(run < 70, `${run} scripts`);
});

test("access 25: a request that follows upon an end is not refused for what that has held", async () => {
  await using redis = await RedisServer.start();
  await using host = await patient(redis.url);
  const { counters } = host;
  const [scope, other] = [key({ concurrency: 1 }), key({ concurrency: 1 }, "other")];
  const [before, one] = [
    held(await counters.reserve(work([other]))),
    held(await counters.reserve(work([scope]))),
  ];
  // The server is still being told of the first end when the second comes.
  counters.settle(before, 0);
  counters.settle(one, 0);
  assert.equal((await counters.reserve(work([scope]))).kind, "reserved");
  assert.equal((await counters.reserve(work([scope]))).kind, "short");
});

async function scriptsRun(redis: RedisServer): Promise<number> {
  const stats = String(await redis.ask("INFO", "commandstats"));
  const runs = [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)];
  return runs.reduce((sum, [, count]) => sum + Number(count), 0);
}

test("access 22: the slots of a host that died are free when they are not renewed", async () => {
  await using redis = await RedisServer.start();
  await using other = await patient(redis.url);
  const scope = key({ concurrency: 1 });
  await using dead = await patient(redis.url);
  held(await dead.counters.reserve(work([scope])));
  assert.equal((await other.counters.reserve(work([scope]))).kind, "short");
  const slots = other.store.name("slots", scope.id);
  const [member, score] = await redis.ask("ZRANGE", slots, 0, -1, "WITHSCORES") as string[];
  const [s] = await redis.ask("TIME") as string[];
  const goodForMs = Number(score) - Number(s) * 1000;
  assert.ok(goodForMs > 20_000 && goodForMs <= 31_000, String(goodForMs));
  await redis.ask("ZADD", slots, Number(s) * 1000 - 1, member);
  held(await other.counters.reserve(work([scope])));
});

test("access 24: alone, each of two hosts allows its half, whatever the server was", async () => {
  await using redis = await RedisServer.start();
  await using one = await patient(redis.url);
  for (const name of ["a", "b"]) {
    await one.store.run("present", [one.store.name("hosts")], [name, 60_000]);
  }
  one.counters.returned();
  await waitFor(async () => {
    const known = await redis.ask("ZCARD", one.store.name("hosts"));
    return known === 2;
  }, "two hosts");
  await one.store.run("present", [one.store.name("hosts")], ["", 0]);
  await redis.stop();
  const scope = key({ concurrency: 5, requestsPerMinute: 100 });
  await waitFor(async () => {
    const answer = await one.counters.reserve(work([scope]));
    if (answer.kind === "reserved") one.counters.settle(answer.reservation, 0);
    return !one.store.isUp;
  }, "the fault to be seen");
  const all = [];
  for (let i = 0; i < 5; i++) all.push((await one.counters.reserve(work([scope]))).kind);
  assert.deepEqual(all, ["reserved", "reserved", "short", "short", "short"]);
  // Within the limit, beyond a half of it: it may be taken now or later, and what it used is counted whole.
  const tokens = key({ tokensPerMinute: 1000 }, "tokens");
  const large = held(await one.counters.reserve(work([tokens], 800)));
  one.counters.settle(large, 800);
  const next = await one.counters.reserve(work([tokens], 800));
  assert.ok(next.kind === "short" && next.shortages[0].waitMs! > 45_000, JSON.stringify(next));
  const never = await one.counters.reserve(work([tokens], 1001));
  assert.ok(never.kind === "short" && never.shortages[0].waitMs === null);
});

test("access 26: all that one request touches lies in one place of a cluster", async () => {
  await using redis = await RedisServer.start();
  await using host = await patient(redis.url);
  const group = new Scope("group", "team {x}", rates({ tokensPerMinute: 1000 }), []);
  const model = new Scope("model", "org/model:7b", rates({ concurrency: 3 }), []);
  held(await host.counters.reserve(work([key({ requestsPerMinute: 5 }), group, model], 10)));
  const names = await redis.ask("KEYS", "*") as string[];
  assert.ok(names.length >= 5, names.join());
  for (const name of names) assert.ok(name.startsWith("{sag}:"), name);
});

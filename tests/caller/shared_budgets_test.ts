// Budgets that several gateways share, by a real redis-server.

import assert from "node:assert/strict";
import { KeptSums } from "../../lib/caller/shared/kept_sums.ts";
import { SharedBudgets } from "../../lib/caller/shared/shared_budgets.ts";
import { SharedStore } from "../../lib/caller/shared/store.ts";
import { Ledger } from "../../lib/caller/usage/ledger.ts";
import { UsageMemory } from "../../lib/caller/usage/usage_memory.ts";
import { RedisServer, testWithRedis as test } from "../support/redis_server.ts";
import { waitFor } from "../support/wait.ts";

/** What a gateway keeps of budgets. */
class Books implements AsyncDisposable {
  readonly store: SharedStore;
  readonly ledger: Ledger;
  readonly budgets: SharedBudgets;

  readonly #memory: UsageMemory;
  readonly #others: KeptSums;

  /** `before`: by the configuration before a reload of the same process. */
  constructor(url: string, host: string, before: Books | null = null, isOfHost = () => true) {
    const config = { url, prefix: "sag", timeoutS: 0.5, whenDown: "local" as const };
    this.store = new SharedStore(config, { onChange() {} });
    const memory = this.#memory = before === null ? UsageMemory.create() : before.#memory;
    const others = this.#others = before === null ? new KeptSums() : before.#others;
    this.ledger = new Ledger(memory, "UTC");
    const { store } = this;
    this.budgets = new SharedBudgets({ store, memory, others, host, isOfHost, now: Date.now });
    this.budgets.apply({
      keys: [{ name: "web", budgets: [{ period: "month", tokens: 1000, cost: null }] }],
      groups: {},
      timeZone: "UTC",
    });
  }

  charge(tokens: number): void {
    const charged = {
      prompt: tokens,
      cached: 0,
      completion: 0,
      cost: tokens / 10,
      estimated: false,
    };
    const about = { key: "web", group: null, model: "m", outcome: "complete", atMs: Date.now() };
    this.ledger.charge({ ...about, ...charged });
  }

  get used(): number {
    return this.ledger.used("key", "web", "month").tokens;
  }

  async synced(): Promise<this> {
    await waitFor(() => this.store.isUp, "the store to be up");
    await this.budgets.sync();
    await this.budgets.sync();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.budgets.close();
    await this.store.close();
  }
}

/** One has used 100, the other 30, and each has heard of it. */
async function bothKnow130(one: Books, other: Books): Promise<void> {
  one.charge(100);
  other.charge(30);
  await one.synced();
  await other.synced();
  await one.synced();
  assert.deepEqual([one.used, other.used], [130, 130]);
}

test("access 24: budgets are sums over all hosts, survive the loss of one, and begin anew from none", async () => {
  await using redis = await RedisServer.start();
  await using one = new Books(redis.url, "one");
  {
    await using other = new Books(redis.url, "other");
    await bothKnow130(one, other);
    for (let i = 0; i < 5; i++) {
      await one.synced();
      await other.synced();
    }
    assert.deepEqual([one.used, other.used], [130, 130]);
    other.charge(5);
    await other.synced();
  }
  // `other` is lost with its disk.
  await using third = new Books(redis.url, "third");
  await one.synced();
  await third.synced();
  assert.deepEqual([one.used, third.used], [135, 135]);
  await redis.ask("FLUSHALL");
  await one.synced();
  await third.synced();
  assert.deepEqual([one.used, third.used], [135, 135]);
  one.charge(10);
  await one.synced();
  await third.synced();
  assert.equal(one.used, 145);
  assert.ok(third.used >= 135, String(third.used));
});

test("access 24: a host that comes back with its files counts nothing twice", async () => {
  await using redis = await RedisServer.start();
  await using other = new Books(redis.url, "other");
  {
    await using one = new Books(redis.url, "one");
    one.charge(100);
    await one.synced();
  }
  await using one = new Books(redis.url, "one");
  // As it is read from the files of its folder.
  one.charge(100);
  await one.synced();
  await other.synced();
  assert.deepEqual([one.used, other.used], [100, 100]);
  redis.freeze();
  one.charge(1);
  for (let i = 0; i < 4; i++) await one.budgets.sync();
  redis.thaw();
  await one.synced();
  await other.synced();
  assert.deepEqual([one.used, other.used], [101, 101]);
});

test("access: a reload of how gateways share says nothing of others' as one's own", async () => {
  await using redis = await RedisServer.start();
  await using other = new Books(redis.url, "other");
  await using one = new Books(redis.url, "one");
  await bothKnow130(one, other);
  let last = one;
  for (let reload = 0; reload < 3; reload++) {
    await last.budgets.close();
    last = new Books(redis.url, "one", last);
    await last.synced();
    await other.synced();
  }
  assert.deepEqual([last.used, other.used], [130, 130]);
  // The folder before is still being written: its sums are not those of the new one.
  await last.budgets.close();
  let isOfHost = false;
  await using moved = new Books(redis.url, "moved", last, () => isOfHost);
  await moved.synced();
  await other.synced();
  assert.equal(other.used, 130);
  isOfHost = true;
  await moved.synced();
  await last.store.close();
});

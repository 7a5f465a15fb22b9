// Usage by client, where there are no keys: who has a name, and how an address is forgotten.

import assert from "node:assert/strict";
import { ClientNames, OTHER_CLIENTS } from "../../../lib/caller/usage/clients.ts";
import { forgetClient } from "../../../lib/caller/usage/forget.ts";
import { type KeeperRules, UsageKeeper } from "../../../lib/caller/usage/keeper.ts";
import { reportUsage } from "../../../lib/caller/usage/report.ts";
import { UsageMemory } from "../../../lib/caller/usage/usage_memory.ts";

const DAY = "2026-11-26";
const AT = Date.parse(`${DAY}T12:00:00Z`);

function keeperOf(dataDir: string, rules: Partial<KeeperRules> = {}): UsageKeeper {
  const keeper = new UsageKeeper(UsageMemory.create(), {
    torn: () => assert.fail("no line is torn"),
    odd: () => assert.fail("all lines say something"),
    failed: assert.fail,
    written() {},
    booked() {},
  }, () => AT);
  keeper.apply({ dataDir, timeZone: "UTC", hasTotals: false, hasKeys: false, ...rules });
  return keeper;
}

function use(keeper: UsageKeeper, client: string, tokens = 10): void {
  const spent = { prompt: tokens, cached: 0, completion: 0, estimated: false };
  keeper.book({ client, model: "m", outcome: "complete", spent, at: AT });
}

async function tokensBy(dataDir: string): Promise<Map<string, number>> {
  const { rows } = await reportUsage({ dataDir, by: ["client"], where: () => true });
  return new Map(rows.map(({ values: [client], amount }) => [client, amount.tokens]));
}

Deno.test("a flood of addresses is one sum, and who uses much among them has its own", () => {
  const names = new ClientNames();
  const named = new Set<string>();
  for (let n = 0; n < 50_000; n++) named.add(names.nameOf(DAY, `10.0.${n >> 8}.${n & 255}`, 100));
  assert.equal(named.size, 501);
  assert.ok(named.has(OTHER_CLIENTS));
  for (let n = 0; n < 60_000; n++) named.add(names.nameOf(DAY, `10.1.${n >> 8}.${n & 255}`, 100));
  for (let n = 0; n < 40 && !named.has("10.9.9.9"); n++) {
    named.add(names.nameOf(DAY, "10.9.9.9", 10_000));
  }
  assert.ok(named.has("10.9.9.9"), "used more than a hundredth of the day");
  assert.equal(names.nameOf(DAY, "10.0.0.1", 1), "10.0.0.1");
  for (let n = 0; n < 2000; n++) named.add(names.nameOf(DAY, `10.2.${n >> 8}.${n & 255}`, 1e6));
  assert.ok(named.size <= 1001, `${named.size} have names, however much each uses`);
  assert.equal(names.nameOf("2026-11-27", "10.2.9.9", 1), "10.2.9.9", "each day begins anew");
});

Deno.test("clients of before a restart count among those of the day", async () => {
  const dataDir = await Deno.makeTempDir();
  const first = keeperOf(dataDir);
  await first.restore();
  for (let n = 0; n < 600; n++) use(first, `10.0.${n >> 8}.${n & 255}`);
  await first.close();
  assert.equal((await tokensBy(dataDir)).size, 501);
  const second = keeperOf(dataDir, { hasKeys: true });
  await second.restore();
  for (let n = 0; n < 600; n++) use(second, `10.1.${n >> 8}.${n & 255}`);
  use(second, "10.0.0.1");
  await second.close();
  const tokens = await tokensBy(dataDir);
  assert.equal(tokens.size, 501);
  assert.equal(tokens.get("10.0.0.1"), 20);
  assert.equal(tokens.get(OTHER_CLIENTS), 7000);
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("a client that is forgotten is among the others, and nothing is lost", async () => {
  const dataDir = await Deno.makeTempDir();
  const keeper = keeperOf(dataDir);
  await keeper.restore();
  use(keeper, "10.0.0.1");
  use(keeper, "10.0.0.2", 5);
  await keeper.close();
  const client = "10.0.0.1";
  assert.equal(await forgetClient(dataDir, { client, before: DAY }, false), 0);
  assert.equal(await forgetClient(dataDir, { client }, true), 1);
  assert.equal((await tokensBy(dataDir)).get(client), 10);
  assert.equal(await forgetClient(dataDir, { client }, false), 1);
  assert.deepEqual([...await tokensBy(dataDir)], [[OTHER_CLIENTS, 10], ["10.0.0.2", 5]]);
  await Deno.remove(dataDir, { recursive: true });
});

// Charges are booked once, in every period that they fall into, for all workers at once.

import assert from "node:assert/strict";
import { Ledger } from "../../../lib/caller/usage/ledger.ts";
import { rowOf } from "../../../lib/caller/usage/row.ts";
import { UsageMemory } from "../../../lib/caller/usage/usage_memory.ts";
import { charge, NOON } from "./charges.ts";

function ledgerAt(clock: { now: number }, memory = UsageMemory.create()) {
  return new Ledger(memory, "UTC", () => clock.now);
}

Deno.test("a charge counts for the key and its group, by day, by month and altogether", () => {
  const ledger = ledgerAt({ now: NOON });
  ledger.charge(charge({ group: "search" }));
  ledger.charge(charge({ key: "ci", group: "search" }));
  for (const period of ["day", "month", "total"] as const) {
    assert.equal(ledger.used("key", "web", period).tokens, 15);
    assert.deepEqual(ledger.used("group", "search", period), {
      requests: 2,
      tokens: 30,
      prompt: 20,
      cached: 8,
      completion: 10,
      cost: 0.2,
    });
    assert.equal(ledger.used("group", "web", period).requests, 0);
  }
});

Deno.test("access 23: a stream over midnight counts in the period of its end", () => {
  const clock = { now: Date.parse("2026-12-01T00:00:05Z") };
  const ledger = ledgerAt(clock);
  ledger.charge(charge({ atMs: clock.now }));
  assert.equal(ledger.used("key", "web", "month").requests, 1);
  clock.now -= 10_000;
  assert.equal(ledger.used("key", "web", "month").requests, 0);
});

Deno.test("access 23: a new period begins at nothing, and a clock set back goes on with the old one", () => {
  const clock = { now: Date.parse("2026-11-30T23:59:59Z") };
  const ledger = ledgerAt(clock);
  const use = () => ledger.charge(charge({ atMs: clock.now }));
  use();
  clock.now += 2000;
  assert.equal(ledger.used("key", "web", "month").requests, 0);
  use();
  assert.equal(ledger.used("key", "web", "month").requests, 1);
  clock.now -= 2000;
  use();
  assert.equal(ledger.used("key", "web", "month").requests, 2);
  assert.equal(ledger.used("key", "web", "day").requests, 2);
  assert.equal(ledger.used("key", "web", "total").requests, 3);
});

Deno.test("access 23: another time zone counts what follows in its own days", () => {
  const clock = { now: Date.parse("2026-11-30T20:00:00Z") };
  const ledger = ledgerAt(clock);
  ledger.charge(charge({ atMs: clock.now }));
  ledger.apply("Asia/Shanghai");
  assert.equal(ledger.used("key", "web", "month").requests, 0);
  ledger.charge(charge({ atMs: clock.now }));
  assert.equal(ledger.used("key", "web", "day").requests, 1);
  ledger.apply("UTC");
  assert.equal(ledger.used("key", "web", "month").requests, 1);
});

Deno.test("access 29: the budget that is used up is told with its end, the longest of several", () => {
  const ledger = ledgerAt({ now: NOON });
  const budgets = [
    { period: "month", tokens: null, cost: 0.3 },
    { period: "day", tokens: 30, cost: null },
  ] as const;
  ledger.charge(charge());
  const first = ledger.budgetOf(budgets, "key", "web");
  assert.equal(first.exhausted, undefined);
  assert.deepEqual(first.levels.map(({ leftTokens, leftCost }) => [leftTokens, leftCost]), [
    [null, 0.2],
    [15, null],
  ]);
  ledger.charge(charge());
  assert.equal(ledger.budgetOf(budgets, "key", "web").exhausted?.budget.period, "day");
  ledger.charge(charge());
  const { exhausted } = ledger.budgetOf(budgets, "key", "web");
  assert.equal(exhausted?.period, "2026-11");
  assert.equal(exhausted?.resetsAt?.toISOString(), "2026-12-01T00:00:00.000Z");
  assert.deepEqual(ledger.budgetOf([], "key", "web"), { levels: [] });
});

Deno.test("access 29: whether a budget is used up is told as its levels tell it, over days and zones", () => {
  const clock = { now: NOON };
  const ledger = ledgerAt(clock);
  const budgets = [
    { period: "day", tokens: 45, cost: null },
    { period: "month", tokens: null, cost: 0.5 },
    { period: "total", tokens: 150, cost: 0.9 },
  ] as const;
  const told: boolean[] = [];
  for (let charged = 0; charged < 12; charged++) {
    for (const subset of [[], budgets, ...budgets.map((one) => [one])]) {
      for (const scope of ["key", "group"] as const) {
        const usedUp = ledger.isUsedUp(subset, scope, "web");
        const { exhausted } = ledger.budgetOf(subset, scope, "web");
        assert.equal(usedUp, exhausted !== undefined, `${charged} ${JSON.stringify(subset)}`);
        told.push(usedUp);
      }
    }
    ledger.charge(charge({ atMs: clock.now }));
    clock.now += 5 * 3_600_000;
    if (charged === 6) ledger.apply("Asia/Shanghai");
  }
  assert.ok(told.includes(true) && told.includes(false));
  assert.equal(ledger.isUsedUp([{ period: "day", tokens: 0, cost: null }], "key", "new"), true);
});

Deno.test("access 30: rows are taken once, each with all that was booked in it", () => {
  const memory = UsageMemory.create();
  const ledger = ledgerAt({ now: NOON }, memory);
  ledger.charge(charge());
  ledger.charge(charge({ prompt: 20 }));
  ledger.charge(charge({ outcome: "aborted", estimated: true }));
  const taken = memory.takeRows().map(({ row, amount }) => ({ ...rowOf(row), ...amount }));
  assert.equal(taken.length, 2);
  const [complete, aborted] = taken;
  assert.deepEqual(
    [complete.outcome, complete.requests, complete.prompt, complete.nanos, complete.estimated],
    ["complete", 2, 30, 200_000_000, 0],
  );
  assert.deepEqual([aborted.outcome, aborted.requests, aborted.estimated], ["aborted", 1, 1]);
  assert.deepEqual(memory.takeRows(), []);
  assert.equal(ledger.used("key", "web", "day").requests, 3);
});

Deno.test("more different rows than there is room for are booked as soon as others were taken", async () => {
  const memory = UsageMemory.create();
  const ledger = ledgerAt({ now: NOON }, memory);
  const total = 20_000;
  for (let n = 0; n < total; n++) ledger.charge(charge({ model: `m${n}` }));
  let taken = 0;
  while (taken < total) {
    taken += memory.takeRows().length;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(taken, total);
  assert.equal(ledger.used("key", "web", "month").requests, total);
  ledger.close();
});

Deno.test("what was refused is counted without the model that it named", () => {
  const memory = UsageMemory.create();
  const ledger = ledgerAt({ now: NOON }, memory);
  for (let n = 0; n < 10; n++) {
    const none = { prompt: 0, cached: 0, completion: 0, cost: 0 };
    ledger.charge(charge({ ...none, model: `made up ${n}`, outcome: "rejected" }));
  }
  assert.deepEqual(memory.takeRows().map(({ row }) => rowOf(row).model), [""]);
});

Deno.test("access 29: two workers that charge one key at the same time lose nothing", async () => {
  const memory = UsageMemory.create();
  const module = (name: string) => import.meta.resolve(`../../../lib/caller/usage/${name}.ts`);
  const source = `
    import { Ledger } from "${module("ledger")}";
    import { UsageMemory } from "${module("usage_memory")}";
    self.onmessage = ({ data }) => {
      const ledger = new Ledger(new UsageMemory(data.buffer, data.worker), "UTC");
      for (let n = 0; n < 50_000; n++) ledger.charge({ ...data.charge, model: "m" + n % 7 });
      self.postMessage("done");
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: "application/typescript" }));
  const workers = [1, 2].map((worker) => {
    const started = new Worker(url, { type: "module" });
    started.postMessage({ buffer: memory.buffer, worker, charge: charge() });
    return started;
  });
  let written = 0;
  const take = () => {
    for (const { amount } of memory.takeRows()) written += amount.requests;
  };
  let running = true;
  const ended = Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.onmessage = resolve)),
  ).then(() => running = false);
  while (running) {
    take();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await ended;
  take();
  for (const worker of workers) worker.terminate();
  URL.revokeObjectURL(url);
  assert.equal(written, 100_000);
  const used = ledgerAt({ now: NOON }, memory).used("key", "web", "day");
  assert.deepEqual([used.requests, used.tokens, used.cost], [100_000, 1_500_000, 10_000]);
});

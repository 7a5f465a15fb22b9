// Leases, queues and slots: counters that cannot leak.

import assert from "node:assert/strict";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { any, ask, FleetStand, weighted } from "./stand.ts";

Deno.test("a lease is released once, whoever releases it again", () => {
  const stand = new FleetStand(weighted([1]));
  const lease = stand.take();
  assert.equal(stand.instance("a").inFlight, 1);
  lease.release("success");
  lease.release("failure");
  lease[Symbol.dispose]();
  assert.equal(stand.instance("a").inFlight, 0);
  assert.equal(stand.instance("a").recentErrors, 0);
});

Deno.test("one word that its engine is dead takes the only instance out, and all leases there know it", () => {
  const stand = new FleetStand(weighted([1]));
  const [one, two, unsent] = [stand.take(), stand.take(), stand.take()];
  for (const lease of [one, two]) lease.sent("stream", () => {});
  stand.clock += 10;
  one.release("engine_dead", "EngineCore encountered an issue");
  assert.equal(stand.instance("a").condition, "ejected");
  assert.deepEqual(stand.events.map(({ kind }) => kind), ["instance_ejected"]);
  assert.equal(two.isEngineLost, true);
  assert.equal(unsent.isEngineLost, false);
  // Who is given to it all the same has met what was dead before.
  const late = stand.pool.acquireAnyway(any);
  assert.ok(late !== null && late !== "full");
  late.sent("stream", () => {});
  stand.clock += 10;
  two.release("engine_dead", "EngineCore encountered an issue");
  assert.equal(late.isEngineLost, false);
  for (const lease of [unsent, late]) lease.release("neutral");
  stand.fleet.close();
});

Deno.test("counters and health live on over a reload, by url and models", () => {
  const stand = new FleetStand(weighted([1, 1], { error_threshold: 5 }));
  const lease = stand.take();
  stand.fleet.outlier.markDown(stand.instance("b"), "refused");
  stand.apply(weighted([1, 1, 1], { error_threshold: 5 }));
  assert.equal(stand.instance("a").inFlight, 1);
  assert.equal(stand.instance("b").state, "down");
  assert.equal(stand.instance("c").inFlight, 0);
  lease.release("success");
  assert.equal(stand.instance("a").inFlight, 0);
});

Deno.test("the slot of a removed instance is not given away while it drains", () => {
  const stand = new FleetStand(weighted([1, 1]));
  const running = stand.take();
  const slot = running.instance.slot;
  stand.apply({
    instances: [{ url: "http://10.1.1.1/v1", model_name: "m", name: "new" }],
  });
  assert.notEqual(stand.instance("new").slot, slot);
  running.release("success");
  assert.equal(stand.shared.fleet.inFlight(slot), 0);
});

Deno.test("a dead worker's leases are released, the others' are not", () => {
  const shared = SharedState.create();
  const options = weighted([1]);
  const first = new FleetStand(options, shared);
  const second = new FleetStand(options, new SharedState(shared.buffer, 1));
  first.take();
  second.take();
  second.take();
  assert.equal(first.instance("a").inFlight, 3);
  shared.dropWorker(1);
  assert.equal(first.instance("a").inFlight, 1);
});

Deno.test("a dead worker's probe and its waiting requests are forgotten with it", () => {
  const shared = SharedState.create();
  const options = weighted([1, 1], { error_threshold: 1, ejection_time: 10 });
  const first = new FleetStand(options, shared);
  const second = new FleetStand(options, new SharedState(shared.buffer, 1));
  const failing = first.take();
  failing.release("failure", "boom");
  const { name } = failing.instance;
  for (const stand of [first, second]) stand.clock += 10_000;
  const leases = [second.take(), second.take()];
  assert.ok(leases.some((lease) => lease.instance.name === name), "the second worker probes it");
  assert.ok(!first.instance(name).isAvailable);
  second.pool.wait(ask(9), () => {});
  assert.equal(first.fleet.waiting, 1);
  assert.ok(!first.pool.queue.isFreeFor(0));
  shared.dropWorker(1);
  assert.ok(first.instance(name).isAvailable, "it may be probed again");
  assert.equal(first.fleet.waiting, 0);
  assert.ok(first.pool.queue.isFreeFor(0));
  // What a real dead worker cannot do any more: its timers would outlive this test.
  second.pool.serveQueue();
  second.fleet.close();
});

const limited = {
  instances: [
    { url: "http://10.0.0.1/v1", model_name: "m", name: "a", max_concurrency: 1 },
  ],
  queue: { max: 2, deadline: 60 },
};

Deno.test("above max_concurrency requests wait, first come first served within a priority", async () => {
  const stand = new FleetStand(limited);
  const running = stand.take();
  assert.equal(stand.pool.acquire(any), "full");
  const order: string[] = [];
  const low = stand.pool.wait(ask(0), () => {}).then((waited) => {
    order.push("low");
    return waited;
  });
  const high = stand.pool.wait(ask(5), () => {}).then((waited) => {
    order.push("high");
    return waited;
  });
  assert.deepEqual(await stand.pool.wait(ask(0), () => {}), { kind: "full" });
  running.release("success");
  const first = await high;
  assert.ok(first.kind === "served");
  first.value.release("success");
  const second = await low;
  assert.ok(second.kind === "served");
  second.value.release("success");
  assert.deepEqual(order, ["high", "low"]);
  assert.equal(stand.instance("a").inFlight, 0);
  assert.equal(stand.fleet.waiting, 0);
  stand.fleet.close();
});

Deno.test("a waiting client that leaves is gone from the queue at once", async () => {
  const stand = new FleetStand(limited);
  const running = stand.take();
  let leave = () => {};
  const waiting = stand.pool.wait(ask(0), (out) => leave = out);
  assert.equal(stand.fleet.waiting, 1);
  leave();
  assert.deepEqual(await waiting, { kind: "gone" });
  assert.equal(stand.fleet.waiting, 0);
  running.release("success");
  assert.equal(stand.instance("a").inFlight, 0);
  stand.fleet.close();
});

Deno.test("a deadline that passes ends the wait", async () => {
  const stand = new FleetStand({ ...limited, queue: { max: 2, deadline: 0.05 } });
  const running = stand.take();
  assert.deepEqual(await stand.pool.wait(ask(0), () => {}), { kind: "deadline" });
  running.release("success");
  stand.fleet.close();
});

// The conditions that take an instance out, each by its own cause, and what ends them.

import assert from "node:assert/strict";
import { any, FleetStand, weighted } from "./stand.ts";

const options = weighted([1, 1, 1, 1], {
  error_threshold: 1,
  ejection_time: 5,
  max_ejection_time: 60,
  hung_after: 30,
});

/** A lease on the instance of that name; the others' are released as successes. */
function takeAt(stand: FleetStand, name: string) {
  for (let i = 0; i < 50; i++) {
    const lease = stand.take();
    if (lease.instance.name === name) return lease;
    lease.release("neutral");
  }
  throw new Error(`${name} is never chosen`);
}

function kinds(stand: FleetStand): string[] {
  return stand.events.map(({ kind, instance }) => `${instance} ${kind}`);
}

Deno.test("an ejection lasts 5 s and doubles to 60 s at most, whatever the error window", () => {
  const stand = new FleetStand({ ...options, error_window: 3600 });
  const outForS: number[] = [];
  takeAt(stand, "a").release("failure", "boom");
  for (let i = 0; i < 6; i++) {
    const since = stand.clock;
    while (stand.instance("a").state === "ejected") stand.clock += 500;
    outForS.push((stand.clock - since) / 1000);
    takeAt(stand, "a").release("failure", "boom");
  }
  assert.deepEqual(outForS, [5, 10, 20, 40, 60, 60]);
});

Deno.test("while its health check passes an ejected instance is tried again every 5 s", () => {
  const stand = new FleetStand(options);
  for (let i = 0; i < 4; i++) {
    takeAt(stand, "a").release("failure", "boom");
    stand.fleet.outlier.markWell(stand.instance("a"));
    assert.equal(stand.instance("a").state, "ejected", "its requests failed all the same");
    stand.clock += 4900;
    assert.equal(stand.instance("a").state, "ejected");
    stand.clock += 100;
    assert.equal(stand.instance("a").state, "half_open");
  }
});

Deno.test("a wish to be left alone is kept for 60 s at most", () => {
  const stand = new FleetStand(options);
  stand.instance("a").holdBack(86_400);
  assert.equal(stand.instance("a").busyForMs, 60_000);
  stand.apply({ ...options, retry: { max_retry_after: 2 } });
  stand.instance("a").holdBack(86_400);
  assert.equal(stand.instance("a").busyForMs, 2000);
});

Deno.test("a reload forgets the wish, a passing check only one that was respected for a while", () => {
  const stand = new FleetStand(options);
  stand.instance("a").holdBack(50);
  stand.fleet.outlier.markWell(stand.instance("a"));
  assert.equal(stand.instance("a").state, "busy", "a short wish is not for a check to overrule");
  stand.clock += 5000;
  assert.equal(stand.instance("a").state, "busy");
  stand.fleet.outlier.markWell(stand.instance("a"));
  assert.equal(stand.instance("a").state, "healthy");
  stand.instance("a").holdBack(50);
  stand.apply({ ...options, error_threshold: 2 });
  assert.equal(stand.instance("a").state, "healthy");
});

Deno.test("being full is no failure, however often", () => {
  const stand = new FleetStand(options);
  for (let i = 0; i < 40; i++) stand.take().release("busy", "429");
  assert.deepEqual(stand.events, []);
  assert.equal(stand.instance("a").recentErrors, 0);
});

Deno.test("an instance that shuts down is out at once; what it still answers does not bring it back", () => {
  const stand = new FleetStand(options);
  const running = takeAt(stand, "a");
  takeAt(stand, "a").release("shutting_down", "cannot schedule new futures after shutdown");
  assert.equal(stand.instance("a").state, "shutting_down");
  for (let i = 0; i < 8; i++) assert.notEqual(stand.once(), "a");
  running.release("success");
  assert.equal(stand.instance("a").state, "shutting_down");
  stand.fleet.outlier.markWell(stand.instance("a"));
  assert.equal(stand.instance("a").state, "shutting_down", "its /health is 200 to the end");
  // Its port goes and comes back.
  stand.fleet.outlier.markDown(stand.instance("a"), "refused");
  assert.equal(stand.instance("a").state, "down");
  stand.fleet.outlier.markUp(stand.instance("a"));
  assert.equal(stand.instance("a").state, "healthy");
  assert.deepEqual(kinds(stand), ["a instance_down", "a instance_recovered"], "told once");
});

Deno.test("one that only said that it shuts down comes back by a probe", () => {
  const stand = new FleetStand(options);
  takeAt(stand, "a").release("shutting_down", "wrong alarm");
  stand.clock += 5000;
  takeAt(stand, "a").release("shutting_down", "once more");
  assert.equal(stand.instance("a").state, "shutting_down");
  stand.clock += 9900;
  assert.equal(stand.instance("a").state, "shutting_down", "twice as long");
  stand.clock += 100;
  takeAt(stand, "a").release("success");
  assert.equal(stand.instance("a").state, "healthy");
});

Deno.test("a misconfigured instance is out, alone or not, until a reload or its list of models", () => {
  const stand = new FleetStand(options);
  const running = takeAt(stand, "a");
  takeAt(stand, "a").release("misconfigured", "401 wrong key");
  running.release("success");
  assert.equal(
    stand.instance("a").state,
    "misconfigured",
    "another request's success proves nothing",
  );
  stand.clock += 3_600_000;
  stand.fleet.outlier.markWell(stand.instance("a"));
  for (let i = 0; i < 8; i++) assert.notEqual(stand.once(), "a");
  stand.fleet.outlier.markConfigured(stand.instance("a"), "listed");
  assert.equal(stand.instance("a").state, "healthy");
  takeAt(stand, "a").release("misconfigured", "401 wrong key");
  stand.apply({ ...options, error_threshold: 2 });
  assert.equal(stand.instance("a").state, "healthy");
  assert.deepEqual(kinds(stand), [
    "a instance_misconfigured",
    "a instance_recovered",
    "a instance_misconfigured",
    "a instance_recovered",
  ]);
});

Deno.test("the lone instance of a model is asked though misconfigured, and its success counts", () => {
  const stand = new FleetStand(weighted([1]));
  stand.take().release("misconfigured", "401");
  assert.equal(stand.pool.acquire(any), null);
  const lease = stand.pool.acquireAnyway(any);
  assert.ok(lease !== null && lease !== "full");
  lease.release("success");
  assert.equal(stand.instance("a").state, "healthy");
});

Deno.test("an instance that sleeps is asked by nobody, not even where all others are out", () => {
  const stand = new FleetStand(weighted([1]));
  stand.fleet.outlier.markAsleep(stand.instance("a"), "sleeps");
  assert.equal(stand.instance("a").state, "asleep");
  assert.equal(stand.pool.acquire(any), null);
  assert.equal(stand.pool.acquireAnyway(any), null);
  stand.fleet.outlier.markUp(stand.instance("a"));
  assert.equal(stand.instance("a").state, "healthy");
  assert.deepEqual(kinds(stand), ["a instance_asleep", "a instance_recovered"]);
});

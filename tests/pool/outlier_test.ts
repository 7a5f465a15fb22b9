// What ejects an instance, and how it comes back.

import assert from "node:assert/strict";
import { any, FleetStand, weighted } from "./stand.ts";

const options = weighted([1, 1, 1, 1], { error_threshold: 3, ejection_time: 10 });

/** Ends requests to `name` with failures until it is ejected; how many it took. */
function eject(stand: FleetStand, name: string): number {
  for (let failures = 1; failures < 100; failures++) {
    for (;;) {
      const lease = stand.take();
      if (lease.instance.name === name) {
        lease.release("failure", "boom");
        break;
      }
      lease.release("success");
    }
    if (stand.instance(name).state === "ejected") return failures;
  }
  throw new Error("never ejected");
}

Deno.test("error_threshold failures within the window eject, and the fleet is told once", () => {
  const stand = new FleetStand(options);
  assert.equal(eject(stand, "a"), 3);
  assert.deepEqual(stand.events.map((event) => [event.kind, event.instance, event.count]), [
    ["instance_ejected", "a", 3],
  ]);
  for (let i = 0; i < 20; i++) assert.notEqual(stand.once(), "a");
});

Deno.test("failures that are older than the window do not count", () => {
  const stand = new FleetStand(weighted([1], { error_threshold: 3, error_window: 10 }));
  const fail = () => stand.take().release("failure");
  fail();
  stand.take().release("success");
  fail();
  stand.clock += 11_000;
  stand.take().release("success");
  fail();
  assert.equal(stand.instance("a").recentErrors, 1);
});

Deno.test("neutral ends move nothing, however many", () => {
  const stand = new FleetStand(options);
  for (let i = 0; i < 100; i++) stand.once("neutral");
  assert.equal(stand.events.length, 0);
  assert.equal(stand.instance("a").recentErrors, 0);
});

Deno.test("a few failures among very many answers do not eject", () => {
  const stand = new FleetStand(weighted([1, 1], { error_threshold: 3, error_window: 1000 }));
  for (let i = 0; i < 1000; i++) stand.once(i % 50 === 0 ? "failure" : "success");
  assert.equal(stand.events.length, 0);
});

Deno.test("after its time one probe request decides; failing again ejects for longer", () => {
  const stand = new FleetStand(options);
  eject(stand, "a");
  stand.clock += 10_000;
  assert.equal(stand.instance("a").state, "half_open");
  const leases = Array.from({ length: 8 }, () => stand.take());
  const probes = leases.filter((lease) => lease.instance.name === "a");
  assert.equal(probes.length, 1, "only one probe at a time");
  for (const lease of leases) {
    lease.release(lease === probes[0] ? "failure" : "success");
  }
  assert.equal(stand.instance("a").state, "ejected");
  stand.clock += 10_000;
  assert.equal(stand.instance("a").state, "ejected", "the second ejection is longer");
  stand.clock += 10_000;
  assert.equal(stand.instance("a").state, "half_open");
});

Deno.test("a neutral probe frees the half-open slot, a successful one brings the instance back", () => {
  const stand = new FleetStand(options);
  eject(stand, "a");
  stand.clock += 10_000;
  const probe = () => {
    for (;;) {
      const lease = stand.take();
      if (lease.instance.name === "a") return lease;
      lease.release("success");
    }
  };
  probe().release("neutral");
  assert.equal(stand.instance("a").state, "half_open");
  probe().release("success");
  assert.equal(stand.instance("a").state, "healthy");
  assert.equal(stand.events.at(-1)!.kind, "instance_recovered");
});

Deno.test("at most half of a pool is ejected", () => {
  const stand = new FleetStand(options);
  for (let i = 0; i < 100; i++) stand.once("failure");
  const out = stand.fleet.instances.filter((instance) => instance.state === "ejected");
  assert.equal(out.length, 2);
});

Deno.test("when all are out, all are tried", () => {
  const stand = new FleetStand(weighted([1, 1]));
  for (const instance of stand.fleet.instances) stand.fleet.outlier.markDown(instance, "refused");
  assert.equal(stand.pool.acquire(any), null);
  const lease = stand.pool.acquireAnyway(any);
  assert.ok(lease !== null && lease !== "full");
  lease.release("success");
  assert.equal(lease.instance.state, "healthy", "a success proves it alive");
});

Deno.test("a lone instance is not ejected, unless a fallback stands by", () => {
  const lone = new FleetStand(weighted([1], { error_threshold: 2 }));
  for (let i = 0; i < 10; i++) lone.once("failure");
  assert.equal(lone.instance("a").state, "healthy");
  const backed = new FleetStand(weighted([1], {
    error_threshold: 2,
    fallback_instances: [{ url: "http://10.9.9.9/v1", model_name: "m" }],
  }));
  for (let i = 0; i < 2; i++) backed.once("failure");
  assert.equal(backed.instance("a").state, "ejected");
});

Deno.test("an instance that said when to come back is left alone until then", () => {
  const stand = new FleetStand(weighted([1, 1]));
  stand.instance("a").holdBack(5);
  assert.equal(stand.instance("a").state, "busy");
  for (let i = 0; i < 4; i++) assert.equal(stand.once(), "b");
  stand.clock += 5000;
  assert.deepEqual(new Set([stand.once(), stand.once()]), new Set(["a", "b"]));
});

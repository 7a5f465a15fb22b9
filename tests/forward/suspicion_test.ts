// Who is taken for the one that kills engines, and who is not. The suspects are of one fleet, as in two workers.

import assert from "node:assert/strict";
import { Suspicion } from "../../lib/forward/suspicion.ts";
import type { Instance } from "../../lib/pool/instance.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { FleetStand, weighted } from "../pool/stand.ts";

function stand() {
  const it = new FleetStand(weighted([1, 1, 1]));
  const leaseAt = (instance: Instance) => {
    const lease = it.pool.acquireNamed(instance.name);
    assert.ok(lease !== null && lease !== "full");
    return lease;
  };
  /** A request that was at `a` when its engine died, after so many milliseconds. */
  const suspect = (ms: number) => {
    const suspicion = new Suspicion((body) => it.fleet.locked(body));
    suspicion.died(it.instance("a"), ms);
    return suspicion;
  };
  return { it, b: it.instance("b"), c: it.instance("c"), leaseAt, suspect };
}

Deno.test("a suspect that was alone when a second engine died is proved to kill them", () => {
  const { b, leaseAt, suspect } = stand();
  const one = suspect(500);
  assert.equal(one.isProved, false);
  assert.ok(one.comes(leaseAt(b)));
  one.died(b, 450);
  assert.equal(one.isProved, true);
  assert.deepEqual(one.deaths, ["a", "b"]);
});

Deno.test("a second suspect does not come where one is, but to another instance", () => {
  const { b, c, leaseAt, suspect } = stand();
  const [one, two] = [suspect(500), suspect(500)];
  assert.ok(one.comes(leaseAt(b)));
  assert.equal(two.comes(leaseAt(b)), false);
  assert.equal(two.waitMs([b, c], 0.5), 0);
  assert.ok(two.waitMs([b], 0.5) > 0);
  one.left();
  assert.equal(two.waitMs([b], 0.5), 0);
  assert.ok(two.comes(leaseAt(b)));
  assert.equal(c.suspects.now, 0);
});

Deno.test("whose patience is over joins another suspect, and neither is proved", () => {
  const { b, leaseAt, suspect } = stand();
  const [one, two] = [suspect(500), suspect(500)];
  assert.ok(one.comes(leaseAt(b)));
  let waitedMs = 0;
  for (let ms = 1; ms > 0; waitedMs += ms) ms = two.waitMs([b], 0.5);
  assert.ok(waitedMs >= 3000, `${waitedMs}`);
  assert.ok(two.comes(leaseAt(b)));
  one.died(b, 500);
  two.died(b, 500);
  assert.deepEqual([one.isProved, two.isProved], [false, false]);
});

Deno.test("an engine that dies much sooner than the first is lost together with it, not by the request", () => {
  const { b, c, leaseAt, suspect } = stand();
  const one = suspect(2000);
  assert.ok(one.comes(leaseAt(b)));
  one.died(b, 10);
  assert.equal(one.isProved, false);
  // The third time tells.
  assert.ok(one.comes(leaseAt(c)));
  one.died(c, 10);
  assert.equal(one.isProved, true);
});

Deno.test("the suspects of a worker that died keep nobody out", () => {
  const { it, b, leaseAt, suspect } = stand();
  assert.ok(suspect(500).comes(leaseAt(b)));
  assert.equal(b.suspects.now, 1);
  new SharedState(it.shared.buffer, 1).dropWorker(it.shared.worker);
  assert.equal(b.suspects.now, 0);
});

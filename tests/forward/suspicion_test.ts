// Who is taken for the one that kills engines, and who is not. The suspects are of one fleet, as in two workers.

import assert from "node:assert/strict";
import { Suspicion } from "../../lib/forward/suspicion.ts";
import type { Instance } from "../../lib/pool/instance.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { waitFor } from "../support/wait.ts";
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
  assert.ok(waitedMs >= 8000, `${waitedMs}`);
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

Deno.test("what killed an engine is found, and the others that were there are cleared", () => {
  const { b, c, leaseAt, suspect } = stand();
  const [killer, other, fresh] = [suspect(500), suspect(500), suspect(500)];
  assert.ok(killer.comes(leaseAt(b)));
  assert.ok(other.waitMs([b], 0.5) > 0);
  killer.died(b, 500);
  assert.equal(killer.isProved, true);
  assert.equal(other.waitMs([b], 0.5), 0);
  assert.ok(fresh.comes(leaseAt(c)));
  // They keep nobody else out, nor are they kept out.
  assert.equal(c.suspects.now, 0);
  // What dies with one of them is another matter.
  fresh.died(c, 500);
  assert.equal(fresh.isProved, false);
});

Deno.test("who had been at the dead engine for long lets others look first", () => {
  const { b, leaseAt, suspect } = stand();
  const [one, early, late] = [suspect(1), suspect(2000), suspect(5)];
  assert.ok(one.comes(leaseAt(b)));
  assert.equal(early.waitMs([b], 0), 2000);
  assert.ok(late.waitMs([b], 0) < 100);
  assert.ok(early.waitMs([b], 0) < 100);
});

Deno.test("a suspect has an instance to itself for no longer than the dead engine had it, and some", async () => {
  const { b, leaseAt, suspect } = stand();
  const one = suspect(10);
  assert.ok(one.comes(leaseAt(b)));
  await waitFor(() => b.suspects.now === 0, "the instance to be free for another suspect");
  // Nobody has come, so it was alone all the same.
  one.died(b, 400);
  assert.equal(one.isProved, true);
});

Deno.test("an engine that dies far later than the first did has died of something else", () => {
  const { b, leaseAt, suspect } = stand();
  const one = suspect(300);
  assert.ok(one.comes(leaseAt(b)));
  one.died(b, 4000);
  assert.equal(one.isProved, false);
});

Deno.test("the suspects of a worker that died keep nobody out", () => {
  const { it, b, leaseAt, suspect } = stand();
  assert.ok(suspect(500).comes(leaseAt(b)));
  assert.equal(b.suspects.now, 1);
  new SharedState(it.shared.buffer, 1).dropWorker(it.shared.worker);
  assert.equal(b.suspects.now, 0);
});

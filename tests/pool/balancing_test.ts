// Who gets the next request.

import assert from "node:assert/strict";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { FleetStand, weighted } from "./stand.ts";

Deno.test("round robin spreads by weight, never in a burst: 3 to 1 gives a b a a", () => {
  const stand = new FleetStand(weighted([3, 1]));
  const order = Array.from({ length: 8 }, () => stand.once()).join(" ");
  assert.equal(order, "a b a a a b a a");
});

Deno.test("round robin with equal weights takes turns in the order of the file", () => {
  const stand = new FleetStand(weighted([1, 1, 1]));
  assert.equal(Array.from({ length: 6 }, () => stand.once()).join(" "), "a b c a b c");
});

Deno.test("round robin keeps exact shares over many turns", () => {
  const stand = new FleetStand(weighted([5, 3, 2]));
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let i = 0; i < 1000; i++) counts[stand.once()]++;
  assert.deepEqual(counts, { a: 500, b: 300, c: 200 });
});

Deno.test("turns stay exact when several workers take them", () => {
  const shared = SharedState.create();
  const options = weighted([3, 1]);
  const first = new FleetStand(options, shared);
  const second = new FleetStand(options, new SharedState(shared.buffer, 1));
  const counts: Record<string, number> = { a: 0, b: 0 };
  for (let i = 0; i < 400; i++) counts[(i % 3 === 0 ? first : second).once()]++;
  assert.deepEqual(counts, { a: 300, b: 100 });
});

Deno.test("least connections looks at requests in flight by weight; equals take turns", () => {
  const stand = new FleetStand(
    weighted([1, 2], { load_balancing_strategy: "least_connections" }),
  );
  const leases = Array.from({ length: 6 }, () => stand.take());
  const counts = leases.map((lease) => lease.instance.name).sort().join("");
  assert.equal(counts, "aabbbb");
  for (const lease of leases) lease.release("success");
  assert.equal(stand.instance("a").inFlight, 0);

  const even = new FleetStand(
    weighted([1, 1, 1], { load_balancing_strategy: "least_connections" }),
  );
  assert.equal(Array.from({ length: 6 }, () => even.once()).join(" "), "a b c a b c");
});

Deno.test("weight 0 drains: no new requests, the running one ends", () => {
  const stand = new FleetStand(weighted([1, 1]));
  const running = stand.take();
  stand.apply(weighted([0, 1]));
  assert.equal(stand.instance("a").state, "draining");
  assert.equal(stand.instance("a").inFlight, 1);
  assert.deepEqual(new Set(Array.from({ length: 4 }, () => stand.once())), new Set(["b"]));
  running.release("success");
  assert.equal(stand.instance("a").inFlight, 0);
});

Deno.test("a recovered instance starts slowly", () => {
  const stand = new FleetStand({ ...weighted([1, 1]), slow_start: 10, error_threshold: 1 });
  stand.fleet.outlier.markDown(stand.instance("a"), "refused");
  stand.fleet.outlier.markUp(stand.instance("a"));
  assert.equal(stand.instance("a").state, "slow_start");
  const share = () =>
    Array.from({ length: 110 }, () => stand.once()).filter((name) => name === "a").length;
  assert.equal(share(), 10);
  stand.clock += 10_000;
  assert.equal(share(), 55);
});

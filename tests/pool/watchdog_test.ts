// Requests of which nothing comes: when that proves that an instance is hung, and who is told.

import assert from "node:assert/strict";
import type { Lease } from "../../lib/pool/lease.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { FleetStand, weighted } from "./stand.ts";

const options = weighted([1, 1], { hung_after: 30, ejection_time: 5 });

/** A lease on the instance of that name. */
function takeAt(stand: FleetStand, name: string): Lease {
  const lease = stand.pool.acquire((instance) => instance.name === name);
  assert.ok(lease !== null && lease !== "full", `${name} is available`);
  return lease;
}

/** A request that was sent, and what it was told. */
function send(stand: FleetStand, name: string, answer: "stream" | "whole" = "stream") {
  const lease = takeAt(stand, name);
  const told: string[] = [];
  lease.sent(answer, (why) => told.push(why));
  return { lease, told };
}

/** A request that is answered at once. */
function answer(stand: FleetStand, name: string): void {
  const { lease } = send(stand, name);
  lease.progressed();
  lease.release("success");
}

function later(stand: FleetStand, seconds: number): void {
  stand.clock += seconds * 1000;
  stand.fleet.watchdog.look();
}

Deno.test("one request that it swallowed while others answered takes an instance out", () => {
  const stand = new FleetStand(options);
  answer(stand, "a");
  const { lease, told } = send(stand, "a");
  later(stand, 10);
  answer(stand, "b");
  later(stand, 19);
  assert.equal(stand.instance("a").state, "healthy");
  assert.deepEqual(told, []);
  later(stand, 1);
  assert.equal(stand.instance("a").state, "hung");
  assert.deepEqual(told, ["is hung"]);
  lease.release("swallowed", "nothing came");
  assert.equal(stand.instance("a").state, "hung");
  for (let i = 0; i < 4; i++) assert.equal(stand.once(), "b");
  assert.deepEqual(stand.events.map(({ kind }) => kind), ["instance_hung"]);
  stand.fleet.close();
});

Deno.test("all that wait there are told at once, those of other workers too, later ones and whole answers", () => {
  const shared = SharedState.create();
  const first = new FleetStand(options, shared);
  const second = new FleetStand(options, new SharedState(shared.buffer, 1));
  second.clock = first.clock;
  const one = send(first, "a");
  first.clock += 20_000;
  second.clock += 20_000;
  const two = send(second, "a");
  const whole = send(first, "a", "whole");
  answer(second, "b");
  later(first, 10);
  later(second, 10);
  for (const { lease, told } of [one, two, whole]) {
    assert.deepEqual(told, ["is hung"]);
    lease.release("swallowed", "nothing came");
  }
  assert.equal(first.instance("a").inFlight, 0);
  first.fleet.close();
  second.fleet.close();
});

Deno.test("where nobody answered meanwhile silence proves nothing: it may be a long prompt", () => {
  const stand = new FleetStand(options);
  answer(stand, "b");
  stand.clock += 40_000;
  const { lease, told } = send(stand, "a");
  later(stand, 500);
  assert.equal(stand.instance("a").state, "healthy");
  assert.deepEqual(told, []);
  lease.progressed();
  lease.release("success");
  stand.fleet.close();
});

Deno.test("an instance that answers others meanwhile is not hung", () => {
  const stand = new FleetStand(options);
  const { lease } = send(stand, "a");
  const stream = send(stand, "a").lease;
  later(stand, 10);
  answer(stand, "b");
  // A token of a stream that has begun long ago.
  stream.progressed();
  later(stand, 25);
  assert.equal(stand.instance("a").state, "healthy");
  lease.release("success");
  stream.release("success");
  stand.fleet.close();
});

Deno.test("an answer that comes whole may take as long as it likes", () => {
  const stand = new FleetStand(options);
  const { lease, told } = send(stand, "a", "whole");
  later(stand, 10);
  answer(stand, "b");
  later(stand, 300);
  assert.equal(stand.instance("a").state, "healthy");
  assert.deepEqual(told, []);
  lease.release("success");
  stand.fleet.close();
});

Deno.test("one that had answered just before is hung after twice the time, others or not", () => {
  const lone = weighted([1], {
    hung_after: 30,
    fallback_instances: [{ url: "http://10.9.9.9/v1", model_name: "m", name: "paid" }],
  });
  const stand = new FleetStand(lone);
  answer(stand, "a");
  stand.clock += 5000;
  const { lease, told } = send(stand, "a");
  later(stand, 59);
  assert.equal(stand.instance("a").state, "healthy");
  later(stand, 1);
  assert.equal(stand.instance("a").state, "hung");
  assert.deepEqual(told, ["is hung"], "the fallback can take it");
  lease.release("swallowed");
  stand.fleet.close();
});

Deno.test("who could go nowhere else goes on waiting", () => {
  const stand = new FleetStand(options);
  const { lease, told } = send(stand, "a");
  later(stand, 10);
  answer(stand, "b");
  stand.fleet.outlier.markDown(stand.instance("b"), "refused");
  later(stand, 20);
  assert.equal(stand.instance("a").state, "hung");
  assert.deepEqual(told, []);
  stand.fleet.outlier.markUp(stand.instance("b"));
  later(stand, 0);
  assert.deepEqual(told, ["is hung"]);
  lease.release("swallowed");
  stand.fleet.close();
});

Deno.test("a hung instance gets one probe at a time, and comes back with the first token", () => {
  const stand = new FleetStand(options);
  const first = send(stand, "a").lease;
  later(stand, 1);
  answer(stand, "b");
  later(stand, 29);
  first.release("swallowed");
  stand.fleet.outlier.markWell(stand.instance("a"));
  assert.equal(stand.instance("a").state, "hung", "its health check passes all the while");
  later(stand, 5);
  assert.equal(stand.instance("a").state, "half_open");
  const probe = send(stand, "a");
  assert.ok(!stand.instance("a").isAvailable, "one at a time");
  later(stand, 1);
  answer(stand, "b");
  later(stand, 20);
  assert.deepEqual(probe.told, [], "a probe has its time");
  later(stand, 9);
  assert.deepEqual(probe.told, ["is hung"]);
  probe.lease.release("swallowed");
  later(stand, 9);
  assert.equal(stand.instance("a").state, "hung", "twice as long");
  later(stand, 1);
  const second = send(stand, "a").lease;
  second.progressed();
  assert.equal(stand.instance("a").state, "healthy", "before the answer has ended");
  second.release("success");
  assert.deepEqual(stand.events.map(({ kind }) => kind), ["instance_hung", "instance_recovered"]);
  stand.fleet.close();
});

Deno.test("a token to one of those who waited brings it back", () => {
  const stand = new FleetStand(options);
  const { lease } = send(stand, "a");
  later(stand, 1);
  answer(stand, "b");
  stand.fleet.outlier.markHung(stand.instance("a"), "test");
  lease.progressed();
  assert.equal(stand.instance("a").state, "healthy");
  lease.release("success");
  stand.fleet.close();
});

Deno.test("whoever waits at an instance that is found dead or asleep is told", () => {
  const stand = new FleetStand(options);
  const { lease, told } = send(stand, "a");
  stand.fleet.outlier.markDown(stand.instance("a"), "no answer to GET /health");
  later(stand, 1);
  assert.deepEqual(told, ["is down"]);
  lease.release("swallowed");
  stand.fleet.outlier.markUp(stand.instance("a"));
  const next = send(stand, "a");
  stand.fleet.outlier.markAsleep(stand.instance("a"), "sleeps");
  later(stand, 1);
  assert.deepEqual(next.told, ["is asleep"]);
  next.lease.release("swallowed");
  stand.fleet.close();
});

Deno.test("who has had a token is not told: its silence is another limit's", () => {
  const stand = new FleetStand(options);
  const { lease, told } = send(stand, "a");
  lease.progressed();
  stand.fleet.outlier.markDown(stand.instance("a"), "refused");
  later(stand, 60);
  assert.deepEqual(told, []);
  lease.release("failure");
  stand.fleet.close();
});

Deno.test("hung_after 0 watches for nothing", () => {
  const stand = new FleetStand({ ...options, hung_after: 0 });
  const { lease } = send(stand, "a");
  later(stand, 1);
  answer(stand, "b");
  later(stand, 3000);
  assert.equal(stand.instance("a").state, "healthy");
  lease.release("swallowed", "first_byte");
  assert.equal(stand.instance("a").state, "hung", "a wait that is over while others answered");
  stand.fleet.close();
});

// Counting the connections of client addresses over several workers.

import assert from "node:assert/strict";
import { MAX_ADDRESSES, SharedState } from "../../lib/pool/shared_state.ts";
import { AddressCounts } from "../../lib/server/listener/address_counts.ts";

/** The same memory as two workers see it. */
function workers(): [AddressCounts, AddressCounts, SharedState] {
  const first = SharedState.create();
  const second = new SharedState(first.buffer, 1);
  return [new AddressCounts(first), new AddressCounts(second), first];
}

Deno.test("workers count the connections of an address together", () => {
  const [one, two] = workers();
  assert.equal(one.take("192.0.2.1", 3), "counted");
  assert.equal(two.take("192.0.2.1", 3), "counted");
  assert.equal(one.take("192.0.2.1", 3), "counted");
  assert.equal(one.take("192.0.2.1", 3), "full");
  assert.equal(two.take("192.0.2.1", 3), "full");
  assert.equal(two.take("2001:db8::1", 3), "counted");
  two.giveBack("192.0.2.1");
  assert.equal(one.take("192.0.2.1", 3), "counted");
  assert.equal(one.take("192.0.2.1", 3), "full");
});

Deno.test("a worker that died holds no connections", () => {
  const [one, two, shared] = workers();
  assert.equal(two.take("192.0.2.1", 1), "counted");
  assert.equal(one.take("192.0.2.1", 1), "full");
  shared.dropWorker(1);
  assert.equal(one.take("192.0.2.1", 1), "counted");
});

Deno.test("addresses come and go without end", () => {
  const [one, two] = workers();
  for (let i = 0; i < 5 * MAX_ADDRESSES; i++) {
    const address = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    const [mine, other] = i % 2 === 0 ? [one, two] : [two, one];
    assert.equal(mine.take(address, 1), "counted", address);
    assert.equal(other.take(address, 1), "full", address);
    mine.giveBack(address);
  }
});

Deno.test("where more addresses are connected than can be counted, the others are let in", () => {
  const [one] = workers();
  const addresses = Array.from(
    { length: 2 * MAX_ADDRESSES },
    (_, i) => `10.0.${i >> 8}.${i & 255}`,
  );
  const counted = addresses.filter((address) => one.take(address, 1) === "counted");
  assert.ok(counted.length > MAX_ADDRESSES / 2 && counted.length <= MAX_ADDRESSES);
  for (const address of counted) assert.equal(one.take(address, 1), "full");
  for (const address of counted) one.giveBack(address);
  for (const address of addresses.slice(-100)) assert.equal(one.take(address, 1), "counted");
});

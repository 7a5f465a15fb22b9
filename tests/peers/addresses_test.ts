import assert from "node:assert/strict";
import { Addresses } from "../../lib/peers/addresses.ts";

Deno.test("a session of a server that stands in the file for two models is told of the right one", () => {
  const one = new Addresses([
    { addressKey: 70, slot: 4 },
    { addressKey: 77, slot: 0 },
    { addressKey: 77, slot: 1 },
  ]);
  // The same file, other slots.
  const two = new Addresses([
    { addressKey: 70, slot: 2 },
    { addressKey: 77, slot: 8 },
    { addressKey: 77, slot: 5 },
  ]);
  for (const [own, other] of [[4, 2], [0, 8], [1, 5]]) {
    const [{ session, address, tokens }] = one.sessions([{ session: 42, slot: own, tokens: 9 }]);
    assert.deepEqual([session, tokens, two.slotOf(address)], [42, 9, other]);
  }
  assert.deepEqual(one.sessions([{ session: 42, slot: 3, tokens: 9 }]), []);
  assert.equal(two.slotOf(71), undefined);
});

// The hash table of the shared memory, and what is kept in it.

import assert from "node:assert/strict";
import { hashOf, HashTable } from "../../lib/pool/memory/hash_table.ts";
import { Layout } from "../../lib/pool/memory/layout.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";

function table(size: number, reach: number): HashTable {
  return new HashTable(new Layout(new SharedArrayBuffer(size * 8)), size, reach);
}

const none = () => false;

Deno.test("a hash is a safe integer above 0, and differs for what differs in one character", () => {
  const seen = new Set<number>();
  for (let i = 0; i < 100_000; i++) {
    const hash = hashOf(`resp_${i}`);
    assert.ok(Number.isSafeInteger(hash) && hash > 0);
    seen.add(hash);
  }
  assert.equal(seen.size, 100_000);
});

Deno.test("keys that meet at one place stand behind each other, up to the reach", () => {
  const keys = table(16, 4);
  const places = [1, 17, 33, 49].map((key) => keys.claim(key, none));
  assert.deepEqual(places, [1, 2, 3, 4]);
  assert.deepEqual([1, 17, 33, 49].map((key) => keys.find(key)), places);
  assert.equal(keys.claim(65, none), -1);
  assert.equal(keys.find(65), -1);
  assert.equal(keys.claim(33, none), 3, "a key has one place");
});

Deno.test("a key that nobody needs gives way, one behind it is found all the same", () => {
  const keys = table(16, 4);
  for (const key of [1, 17, 33]) keys.claim(key, none);
  assert.equal(keys.claim(33, (place) => place === 2), 3, "first its own place, then a free one");
  assert.equal(keys.claim(49, (place) => place === 2), 2);
  assert.equal(keys.find(17), -1);
  assert.equal(keys.find(33), 3);
});

Deno.test("the reach goes on at the beginning of the table", () => {
  const keys = table(8, 4);
  assert.deepEqual([7, 15, 23].map((key) => keys.claim(key, none)), [7, 0, 1]);
  assert.equal(keys.find(23), 1);
});

Deno.test("a large key is found where it was put", () => {
  const keys = table(8, 4);
  const key = Number.MAX_SAFE_INTEGER;
  const place = keys.claim(key, none);
  assert.equal(keys.find(key), place);
});

Deno.test("stored responses: the newest are known in all workers, the memory does not grow", () => {
  const first = SharedState.create();
  const second = new SharedState(first.buffer, 1);
  for (let i = 0; i < 100_000; i++) {
    first.stored.made({ response: hashOf(`resp_${i}`), keeper: i + 1, owner: 0 });
  }
  let known = 0;
  for (let i = 95_000; i < 100_000; i++) {
    const keeper = second.stored.keeperOf(`resp_${i}`);
    assert.ok(keeper === null || keeper === i + 1);
    if (keeper !== null) known++;
  }
  assert.ok(known > 4000, `${known} of the last 5000`);
  assert.equal(second.stored.keeperOf("resp_never"), null);
  second.stored.take({ response: hashOf("resp_99999"), keeper: 7, owner: 0 });
  assert.equal(first.stored.keeperOf("resp_99999"), 7, "noted again");
});

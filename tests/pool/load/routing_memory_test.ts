// What an instance's metrics say, in the memory of routing.

import assert from "node:assert/strict";
import { IDLE as LOAD, memoryOf } from "../routing_stand.ts";

Deno.test("28: an instance that says it caches nothing is believed, until it says that it does", () => {
  const { memory } = memoryOf();
  const say = (cachesPrefixes: boolean | null) =>
    memory.scraped(3, { ...LOAD, cachesPrefixes }, 0, 1000);
  say(false);
  assert.equal(memory.trust.isOn(3), false);
  assert.equal(memory.trust.isOn(4), true);
  say(null);
  assert.equal(memory.trust.isOn(3), false);
  say(true);
  assert.equal(memory.trust.isOn(3), true);
});

Deno.test("hits that do not come do not bring an instance back that says it caches nothing", () => {
  const { memory } = memoryOf();
  memory.scraped(3, { ...LOAD, cachesPrefixes: false }, 0, 1000);
  for (let n = 0; n < 20; n++) memory.trust.answered(3, 0, 10_000);
  assert.equal(memory.trust.isOn(3), false);
});

Deno.test("a slot that another instance gets has the usual capacity again", () => {
  const { memory } = memoryOf();
  const usual = memory.index.ages.capacity(2);
  memory.setCapacity(2, 20_480);
  assert.equal(memory.index.ages.capacity(2), 200);
  memory.clear(2);
  assert.equal(memory.index.ages.capacity(2), usual);
});

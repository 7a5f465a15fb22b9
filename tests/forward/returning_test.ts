// Who may look whether an instance is back: one at a time, now and then, and more as it answers.

import assert from "node:assert/strict";
import { Returning } from "../../lib/forward/returning.ts";
import type { Instance } from "../../lib/pool/instance.ts";
import { Roster } from "../../lib/pool/roster.ts";

const instance = { config: { id: "one" } } as Instance;

function stand() {
  const clock = { now: 1000 };
  const returning = new Returning(new Roster(), () => clock.now);
  /** How many may ask at this time. */
  const ask = () => {
    const told: ReturnType<Returning["asked"]>[] = [];
    while (told.length < 1000 && returning.mayAsk(instance)) told.push(returning.asked(instance));
    return told;
  };
  return { clock, returning, ask };
}

Deno.test("one that has not failed is asked by all", () => {
  assert.equal(stand().ask().length, 1000);
});

Deno.test("one that has failed is asked by one, a while later", () => {
  const { clock, returning, ask } = stand();
  returning.failed(instance.config);
  for (let look = 0; look < 3; look++) {
    assert.equal(ask().length, 0);
    clock.now += 250;
    const [tell, ...more] = ask();
    assert.deepEqual(more, []);
    tell("failed");
  }
});

Deno.test("one that answers is asked by twice as many each time, at last by all", () => {
  const { clock, returning, ask } = stand();
  returning.failed(instance.config);
  clock.now += 250;
  const counts = [];
  for (let told = ask(); counts.length < 8; told = ask()) {
    counts.push(told.length);
    for (const tell of told) tell("answered");
  }
  assert.deepEqual(counts, [1, 2, 4, 8, 16, 32, 64, 1000]);
});

Deno.test("who leaves without an answer gives the place to another", () => {
  const { clock, returning, ask } = stand();
  returning.failed(instance.config);
  clock.now += 250;
  const [tell] = ask();
  assert.equal(ask().length, 0);
  tell("neither");
  assert.equal(ask().length, 1);
});

// What is remembered of an answer that broke off, for as long as its request runs.

import assert from "node:assert/strict";
import { AfterBreak, type Broken } from "../../lib/forward/after_break.ts";
import type { Instance } from "../../lib/pool/instance.ts";

Deno.test("an instance that sent what cannot be read is known after a reload", () => {
  const after = new AfterBreak({} as Broken);
  const instance = (id: string) => ({ config: { id } }) as Instance;
  assert.equal(after.wasOdd(instance("one")), false);
  assert.equal(after.wasOdd(instance("two")), false);
  // The same one, in another object.
  assert.equal(after.wasOdd(instance("one")), true);
});

// The numbers for autoscalers.

import assert from "node:assert/strict";
import { demandFor, type Loaded } from "../../../lib/pool/load/demand.ts";

const idle: Loaded = { backlog: 0, speed: 8000, kvUsage: 0, requests: 0, slots: null };

Deno.test("an idle fleet wants one instance, whatever it has", () => {
  assert.deepEqual(demandFor([idle, idle, idle], 0), {
    backlogS: 0,
    saturation: 0,
    instances: 3,
    wanted: 1,
  });
});

Deno.test("a backlog is counted in seconds of the whole fleet", () => {
  const busy = { ...idle, backlog: 32_000 };
  const demand = demandFor([busy, idle], 0);
  assert.equal(demand.backlogS, 2);
  assert.equal(demand.saturation, 1);
  assert.equal(demand.wanted, 3);
});

Deno.test("full caches and full slots are demand, too; the fullest measure counts", () => {
  assert.equal(demandFor([{ ...idle, kvUsage: 0.7 }, { ...idle, kvUsage: 0.7 }], 0).wanted, 2);
  const slots = { ...idle, kvUsage: null, requests: 4, slots: 4 };
  assert.equal(demandFor([slots, slots], 0).saturation, 1);
  assert.equal(demandFor([slots, slots], 8).saturation, 2, "those who wait with nobody count");
  assert.equal(demandFor([slots, slots], 8).wanted, 6);
});

Deno.test("a model without instances wants one", () => {
  assert.deepEqual(demandFor([], 3), { backlogS: 0, saturation: 0, instances: 0, wanted: 1 });
});

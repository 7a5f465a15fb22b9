// The short form of `deno task storm:keys`.

import assert from "node:assert/strict";
import { KEY_VIOLATIONS, keysStorm } from "./keys_storm.ts";

Deno.test("access 15: what is charged is what clients got, while instances and workers die", async () => {
  const report = await keysStorm({
    seconds: 8,
    clients: 24,
    keys: 4,
    instances: 4,
    workers: 2,
    seed: 11,
    tokensPerSecond: 30,
  });
  const violations = KEY_VIOLATIONS.filter((name) => report[name] !== 0);
  assert.deepEqual(violations, [], report.complaints.join("\n"));
  assert.ok(report.answers > 20, `${report.answers} answers`);
  assert.ok(report.left > 0 && report.refused > 0, "clients left, and were refused");
});

// The short form of `deno task storm`.

import assert from "node:assert/strict";
import { variant } from "../support/processes.ts";
import { storm, VIOLATIONS } from "./storm.ts";

Deno.test("instances killed, stopped and restarted under 40 streams are noticed by nobody", async () => {
  const report = await storm({
    seconds: 5,
    streams: 40,
    instances: 5,
    workers: Number(Deno.env.get("TEST_WORKERS") ?? 1),
    transport: variant().config.transport === "fetch" ? "fetch" : "auto",
    seed: 7,
    tokensPerSecond: 20,
  });
  const violations = VIOLATIONS.filter((name) => report[name] !== 0);
  assert.deepEqual(violations, [], report.complaints.join("\n"));
  assert.ok(report.answers >= 40, `${report.answers} answers`);
  assert.ok(report.kills + report.stops + report.restarts > 0, "there was trouble");
});

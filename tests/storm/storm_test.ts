// The short form of `deno task storm`.

import assert from "node:assert/strict";
import { storm } from "./storm.ts";

Deno.test("instances killed, stopped and reloaded under 40 streams are noticed by nobody", async () => {
  const report = await storm({
    seconds: 6,
    streams: 40,
    instances: 4,
    tokens: 40,
    tokensPerSecond: 20,
    seed: 7,
    workers: Number(Deno.env.get("TEST_WORKERS") ?? 1),
    transport: Deno.env.get("TEST_TRANSPORT") === "fetch" ? "fetch" : "auto",
    onEvent() {},
  });
  const { failed, truncated, wrong, inFlight, recordsWrong, complaints } = report;
  assert.deepEqual(
    { failed, truncated, wrong, inFlight, recordsWrong },
    { failed: 0, truncated: 0, wrong: 0, inFlight: 0, recordsWrong: 0 },
    complaints.join("\n"),
  );
  assert.ok(report.answers > 60 && report.kills + report.stops > 0);
});

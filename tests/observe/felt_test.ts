// What clients felt: lib/observe/felt.ts by itself.

import assert from "node:assert/strict";
import { FeltByClients } from "../../lib/observe/felt.ts";
import type { Report } from "../../lib/observe/report.ts";
import { REPORT } from "./sample_report.ts";

function stand() {
  let now = 1_700_000_000_000;
  const felt = new FeltByClients(() => now, (name) => name === "paid");
  return {
    felt,
    tell: (more: Partial<Report> = {}) => felt.request({ ...REPORT, ...more }),
    wait: (minutes: number) => void (now += minutes * 60_000),
  };
}

Deno.test("what was answered only because another instance was asked is told from what was lost", () => {
  const { felt, tell } = stand();
  tell();
  const failed = { instance: "b", outcome: "failed" as const, error: "refused" };
  tell({ attempts: [failed, REPORT.attempts[0]] });
  tell({ resumes: [{ from: "b", to: "a", way: "exact", atChars: 4 }] });
  tell({ outcome: "failed", status: 502, instance: "", attempts: [failed] });
  tell({ outcome: "truncated" });
  tell({ outcome: "rejected", status: 404 });
  // Who has to sign in is no client.
  for (const path of ["/dashboard/api/fleet", "/metrics", "/admin/decisions"]) {
    tell({ outcome: "rejected", status: 401, path, route: "other" });
  }
  tell({ outcome: "filtered" });
  tell({ outcome: "aborted", attempts: [failed, REPORT.attempts[0]] });
  tell({ instance: "paid", waitedMs: 1500 });
  assert.deepEqual(felt.lastHour, {
    minutes: 60,
    requests: 9,
    failed: 4,
    lost: 2,
    refused: 1,
    passed_on: 1,
    resumed: 1,
    by_fallback: 1,
    waited: 1,
    last_lost: "2023-11-14T22:13:20.000Z",
  });
});

Deno.test("what is older than the minutes asked for is left out", () => {
  const { felt, tell, wait } = stand();
  tell({ outcome: "failed" });
  wait(4);
  tell();
  assert.deepEqual([felt.over(5).requests, felt.over(5).lost], [2, 1]);
  wait(1);
  assert.deepEqual([felt.over(5).requests, felt.over(5).lost], [1, 0]);
  assert.equal(felt.lastHour.lost, 1);
  wait(59);
  assert.equal(felt.lastHour.lost, 0);
});

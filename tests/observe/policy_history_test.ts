// What policies did in the last hour, and what is forgotten of it.

import assert from "node:assert/strict";
import { PolicyHistory } from "../../lib/observe/policy_history.ts";
import type { Report } from "../../lib/observe/report.ts";
import { REPORT } from "./sample_report.ts";

const MINUTE_MS = 60_000;
const NAMES = new Set(["words", "guard"]);

function stand() {
  const clock = { ms: 1_700_000_040_000 };
  const history = new PolicyHistory(() => clock.ms);
  const request = (more: Partial<Report>) => history.request({ ...REPORT, ...more });
  return { clock, history, request };
}

const checks = (policy: string, count: number, ms: number[]) => [
  { policy, stage: "answer", count, ms } as const,
];
const hit = (name: string, action: string, count = 1) => [
  { name, action, count, mode: "audit", stage: "answer", channel: "content", choice: 0 } as const,
];

Deno.test("looks, times, finds and waits are those of the last hour", () => {
  const { clock, history, request } = stand();
  request({ policyChecks: checks("words", 1, []), policies: hit("words", "mask", 3), id: "old" });
  clock.ms += 30 * MINUTE_MS;
  request({ policyChecks: checks("guard", 2, [10, 30]), policyHeldMs: 200 });
  request({
    policyChecks: checks("words", 1, []),
    policyHeldMs: 50,
    policies: hit("words", "mask"),
  });
  const view = history.view(NAMES);
  assert.deepEqual(view.held, { answers: 2, mean_ms: 125, worst_ms: 200 });
  const { minutes, ...words } = view.policies.get("words")!;
  assert.deepEqual(words, { checks: 2, mean_ms: null, errors: 0 });
  assert.deepEqual([minutes.length, minutes[29], minutes[59]], [60, 3, 1]);
  assert.equal(view.policies.get("guard")?.mean_ms, 20);
  assert.deepEqual(
    view.finds.map(({ policy, action, count, lately, newest }) =>
      [policy, action, count, lately, newest.id].join(" ")
    ),
    ["words mask 4 1 abc"],
  );
  assert.equal(view.times.at(-1)! * 1000, clock.ms);
  clock.ms += 31 * MINUTE_MS;
  assert.deepEqual(history.view(NAMES).finds[0].count, 1, "what is older is no more");
  clock.ms += 60 * MINUTE_MS;
  assert.deepEqual(history.view(NAMES).finds, []);
  assert.deepEqual(history.view(NAMES).held, { answers: 0, mean_ms: null, worst_ms: null });
});

Deno.test("what gave no verdict is no find, and a policy that is gone has no line", () => {
  const { history, request } = stand();
  request({
    policyChecks: checks("guard", 1, [1]),
    policies: hit("guard", "error"),
    policyFaults: [{ policy: "guard", reason: "timeout" }],
  });
  request({ policyChecks: checks("gone", 1, []), policies: hit("gone", "cut") });
  request({});
  const view = history.view(NAMES);
  assert.deepEqual(view.finds, []);
  assert.equal(view.policies.get("guard")?.errors, 1);
  assert.deepEqual([...view.policies.keys()], ["words", "guard"]);
});

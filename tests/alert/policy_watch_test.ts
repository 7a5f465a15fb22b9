// What policies give reason to tell: no verdict, and finds in unusually many requests.

import assert from "node:assert/strict";
import type { Bell } from "../../lib/alert/bell.ts";
import {
  type PolicedRequest,
  PolicyWatch,
  type PolicyWatchConfig,
} from "../../lib/alert/policy_watch.ts";

const CONFIG: PolicyWatchConfig = {
  alertRules: { policyHits: 0.2, windowS: 60, minRequests: 20 },
  policies: [
    { options: { name: "words", type: "words" } },
    { options: { name: "house", type: "system_prompt" } },
  ],
};

function stand(config = CONFIG) {
  const rings: string[] = [];
  const bell: Bell = {
    raise: (kind, subject, message) => void rings.push(`${kind} ${subject}: ${message}`),
    end: (kind, subject, message) => void rings.push(`over ${kind} ${subject}: ${message}`),
    isActive: () => false,
  };
  const clock = { ms: 5_000 };
  const watch = new PolicyWatch(config, bell, () => clock.ms);
  const request = (count: number, more: Partial<PolicedRequest> = {}) => {
    for (let i = 0; i < count; i++) watch.request({ policies: [], ...more });
  };
  const pass = (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      clock.ms += 1000;
      watch.tick();
    }
  };
  return { rings, watch, request, pass };
}

const looked = (policy: string) => [{ policy, stage: "answer", count: 1, ms: [] } as const];
const hit = (name: string, action = "cut", mode: "enforce" | "audit" = "enforce") =>
  [{ name, action, mode, stage: "answer", channel: "content", choice: 0, count: 1 }] as const;

Deno.test("a policy without a verdict is told by its name, and what none can read is not", () => {
  const { rings, request } = stand();
  request(1, {
    policyFaults: [
      { policy: "guard", reason: "timeout" },
      { policy: "words", reason: "unscanned" },
    ],
  });
  assert.deepEqual(rings, ["policy_failing guard: gave no verdict: timeout"]);
});

Deno.test("finds in too many of a policy's requests are told once, audit too, and told to be over", () => {
  const { rings, request, pass } = stand();
  request(18, { policyChecks: looked("words") });
  request(6, { policyChecks: looked("words"), policies: hit("words", "mask", "audit") });
  // None of its requests.
  request(100);
  pass(5);
  assert.deepEqual(rings, [
    "policy_hits words: found something in 6 of 24 requests in the last 60 s (25 %)",
  ]);
  pass(70);
  assert.equal(rings.at(-1), "over policy_hits words: looked at no requests in the last 60 s");
});

Deno.test("what is housekeeping, and what gave no verdict, is no find; few requests are not judged", () => {
  const { rings, request, pass } = stand();
  request(50, { policyChecks: looked("house"), policies: hit("house", "before") });
  request(50, { policyChecks: looked("words"), policies: hit("words", "error") });
  pass(1);
  const few = stand();
  few.request(19, { policyChecks: looked("words"), policies: hit("words") });
  few.pass(1);
  assert.deepEqual([...rings, ...few.rings], []);
});

Deno.test("without the rule nothing is counted, and a rule that is taken away ends what it began", () => {
  const { rings, watch, request, pass } = stand();
  request(20, { policyChecks: looked("words"), policies: hit("words") });
  pass(1);
  watch.configure({ ...CONFIG, alertRules: { ...CONFIG.alertRules, policyHits: null } });
  request(20, { policyChecks: looked("words"), policies: hit("words") });
  pass(1);
  assert.equal(rings.length, 2);
  assert.equal(rings.at(-1), "over policy_hits words: is judged by other rules now");
});

// Policies over reloads: what is in force while the next ones are compiled, and that the loop which serves
// others runs on meanwhile.

import assert from "node:assert/strict";
import { phrases } from "../fuzz/policies/generate.ts";
import { Random } from "../fuzz/random.ts";
import { policyOptions } from "../../lib/config/policies.ts";
import type { PolicyServices } from "../../lib/policy/services.ts";
import { PoliciesInForce } from "../../lib/policy/in_force.ts";
import type { Plan } from "../../lib/policy/policy.ts";

const SERVICES: PolicyServices = {
  counterOf: () => assert.fail("nothing is counted"),
  contextOf: () => null,
  askModel: () => assert.fail("nobody is asked"),
  guardOf: () => undefined,
  now: () => new Date(),
};
const SUBJECT = { model: "m", key: "", group: "", route: "/v1/chat/completions" };
const config = (file: string, more: Record<string, unknown> = {}) => ({
  options: policyOptions.parse({
    name: "words",
    type: "words",
    file: "words.txt",
    on: "answer",
    action: "cut",
    ...more,
  }),
  files: { file },
});

/** The file's first line is what the policies look for. */
function isOf(plan: Plan | null, line: string): boolean {
  const { automaton } = plan!.answer!.rulesFor("content")!;
  let state = 0;
  for (const unit of line) state = automaton!.step(state, automaton!.symbols[unit.charCodeAt(0)]);
  return automaton!.states.set[state] !== 0;
}

Deno.test("57: the old list is in force until a new one of 100,000 lines is whole, and the loop turns meanwhile", async () => {
  const policies = new PoliciesInForce(SERVICES);
  policies.apply([config("old\n")]);
  // The first ones are waited for: nobody is served without them.
  assert.ok(policies.planFor(SUBJECT) instanceof Promise);
  const old = await policies.planFor(SUBJECT);
  assert.ok(isOf(old, "old"));
  const long = `new\n${phrases(100_000, new Random(9, 0)).join("\n")}\n`;
  policies.apply([config(long)]);
  let turns = 0;
  let plan = await policies.planFor(SUBJECT);
  for (; plan === old; plan = await policies.planFor(SUBJECT)) {
    assert.ok(!(policies.planFor(SUBJECT) instanceof Promise), "requests do not wait");
    await new Promise((resolve) => setTimeout(resolve, 0));
    turns++;
  }
  assert.ok(turns > 100, `${turns} turns of the loop while it was compiled`);
  assert.ok(isOf(plan, "new"));
});

Deno.test("57: what a reload leaves as it is, is not compiled again, and of two reloads the last holds", async () => {
  const policies = new PoliciesInForce(SERVICES);
  policies.apply([config("old\n")]);
  const before = await policies.planFor(SUBJECT);
  const more = {
    options: policyOptions.parse({ name: "p", type: "parameters", forbid: ["logit_bias"] }),
    files: {},
  };
  policies.apply([config("old\n"), more]);
  policies.apply([more, config("old\n")]);
  let plan = await policies.planFor(SUBJECT);
  while (plan === before) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    plan = await policies.planFor(SUBJECT);
  }
  assert.equal(plan!.answer, before!.answer);
  assert.equal(plan!.prompt.length, 1);
  policies.apply([]);
  assert.equal(policies.planFor(SUBJECT), null);
});

Deno.test("a reload of the same policies has those who judge beside them tried again", async () => {
  const taken: number[] = [];
  const policies = new PoliciesInForce(SERVICES, (configs) => taken.push(configs.length));
  policies.apply([config("old\n")]);
  policies.apply([config("old\n")]);
  assert.deepEqual(taken, [1, 1]);
  assert.ok(isOf(await policies.planFor(SUBJECT), "old"));
});

// The stage of policies by itself: rules as a configuration says them, and what they make of events.

import type { Api } from "../../lib/api/dialects.ts";
import { policyOptions } from "../../lib/config/policies.ts";
import { AnswerFilter } from "../../lib/policy/answer/filter.ts";
import { AnswerRules } from "../../lib/policy/answer/rules.ts";
import { Alphabet } from "../../lib/policy/text/alphabet.ts";
import { PolicyTrail } from "../../lib/policy/trail.ts";
import type { EventStore } from "../../lib/sse/event_store.ts";

export const alphabet = new Alphabet();

/** One policy on answers. */
export function rulesOf(options: Record<string, unknown>): AnswerRules {
  const parsed = policyOptions.parse({ name: "words", type: "words", on: "answer", ...options });
  return AnswerRules.of([{ options: parsed, files: {} }], () => alphabet)!;
}

export function filterOf(
  rules: AnswerRules,
  api: Api,
  { choices = 1, trail = new PolicyTrail(), generated }: {
    choices?: number;
    trail?: PolicyTrail;
    /** Where the events are kept before; nowhere where it is left out. */
    generated?: EventStore;
  } = {},
): AnswerFilter {
  const answer = { api, choices, tellsUsage: false, usage: () => null };
  return new AnswerFilter(rules, answer, trail, 1 << 20, () => generated ?? null);
}

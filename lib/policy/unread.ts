// Answers that policies cannot look at: coded though nobody asked for that, or longer than is held.

import type { Policed } from "./policy.ts";

/** Notes that nobody looks at such an answer. Whether it may not pass: some policy would have acted on it. */
export function isWithheld({ plan: { answer, guards }, trail }: Policed): boolean {
  for (const policy of [...answer?.names ?? [], ...guards?.names ?? []]) {
    trail.unscanned.push({ policy, reason: "answer" });
  }
  return (answer !== null && answer.acts) || (guards !== null && guards.acts);
}

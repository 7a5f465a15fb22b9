// What the policies of one request did: what records, metrics, log and headers tell of them.

import type { PolicyHit } from "./policy_hit.ts";

export class PolicyTrail {
  readonly hits: PolicyHit[] = [];
  /** Placeholders that stand for personal data in the prompt, with what they stand for. */
  readonly placeholders: Map<string, string> = new Map();
  /** Names of policies that could not look, with why. */
  readonly unscanned: { policy: string; reason: string }[] = [];

  /** What guards could not say, with why. */
  readonly faults: { policy: string; reason: string }[] = [];

  /** Guards that only watch an answer, and whose hits are still to come. */
  readonly pending: Promise<void>[] = [];

  /** Counts one more hit of a kind. */
  hit(hit: Omit<PolicyHit, "count">): void {
    const known = this.hits.find((one) =>
      one.name === hit.name && one.stage === hit.stage && one.action === hit.action &&
      one.channel === hit.channel && one.choice === hit.choice
    );
    if (known === undefined) this.hits.push({ ...hit, count: 1 });
    else known.count++;
  }
}

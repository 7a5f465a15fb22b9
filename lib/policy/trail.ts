// What the policies of one request did: what records, metrics, log and headers tell of them.

import type { Api } from "../api/dialects.ts";
import type { PolicyHit } from "./policy_hit.ts";

/** How often a policy looked at a prompt or an answer. */
export interface PolicyChecks {
  readonly policy: string;
  readonly stage: PolicyHit["stage"];
  count: number;
  /** What the looks took, in milliseconds; of those that were timed alone. */
  readonly ms: number[];
}

export class PolicyTrail {
  /**
   * `waitsOf`: the trail that is told of waits, where this one is nobody's. `keepsAsked`: whether the request
   * is kept as it came.
   */
  constructor(
    private readonly waitsOf: PolicyTrail | null = null,
    readonly keepsAsked = false,
  ) {}

  readonly hits: PolicyHit[] = [];
  /** Placeholders that stand for personal data in the prompt, with what they stand for. */
  readonly placeholders: Map<string, string> = new Map();
  /** Names of policies that could not look, with why. */
  readonly unscanned: { policy: string; reason: string }[] = [];

  /** What guards could not say, with why. */
  readonly faults: { policy: string; reason: string }[] = [];

  readonly checks: PolicyChecks[] = [];

  /** The request as it came; null where that is not kept, or nothing looked at it. */
  asked: { readonly api: Api; readonly model: string; readonly body: Uint8Array } | null = null;

  /** The longest that a part of the answer was held back, in milliseconds; null where nothing was. */
  longestHeldMs: number | null = null;

  /** Guards that only watch an answer, and whose hits are still to come. */
  readonly pending: Promise<void>[] = [];

  /** A policy has looked; `ms` is null where its part of the work cannot be told apart. */
  checked(policy: string, stage: PolicyHit["stage"], ms: number | null): void {
    let known = this.checks.find((one) => one.policy === policy && one.stage === stage);
    if (known === undefined) this.checks.push(known = { policy, stage, count: 0, ms: [] });
    known.count++;
    if (ms !== null) known.ms.push(ms);
  }

  /** A part of the answer that was held back goes out, or the answer ends with it. */
  held(ms: number): void {
    if (this.waitsOf !== null) this.waitsOf.held(ms);
    else this.longestHeldMs = Math.max(this.longestHeldMs ?? 0, ms);
  }

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

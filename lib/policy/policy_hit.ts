// What a policy did, as it is told: never what it found.

import type { PolicyChannel } from "../config/policy_common.ts";

export interface PolicyHit {
  readonly name: string;
  readonly stage: "prompt" | "answer";
  readonly mode: "enforce" | "audit";
  readonly action: string;
  /** "" where that says nothing. */
  readonly channel: PolicyChannel | "";
  /** Index of the answer; 0 of a prompt. */
  readonly choice: number;
  count: number;
}

// Asks a guard on behalf of its policy: what `fail` and `mode` make of its verdict or its fault.

import type { Guard } from "./guard.ts";
import { GuardFault, type GuardQuestion, PASS, type Verdict } from "./verdict.ts";

export interface GuardPolicy {
  readonly name: string;
  readonly mode: "enforce" | "audit";
  readonly fail: "open" | "closed";
  readonly message: string | null;
}

/** What is to be told of it. */
export interface GuardHit {
  readonly action: string;
  /** Why there was no verdict; "" where there was one. */
  readonly fault: string;
}

export interface Judgement {
  /** What is to be done; pass in audit. */
  readonly verdict: Verdict;
  readonly hit: GuardHit | null;
}

/** Never throws but for what is nobody's fault. */
export async function judged(
  policy: GuardPolicy,
  guard: Guard,
  question: GuardQuestion,
): Promise<Judgement> {
  const { mode, fail, message } = policy;
  const enforced = (verdict: Verdict) => mode === "audit" ? PASS : verdict;
  try {
    const verdict = await guard.judge(question);
    if (verdict.action === "pass") return { verdict, hit: null };
    return { verdict: enforced(verdict), hit: { action: verdict.action, fault: "" } };
  } catch (error) {
    if (!(error instanceof GuardFault)) throw error;
    const { reason } = error;
    if (fail === "open") return { verdict: PASS, hit: { action: "error", fault: reason } };
    const refused: Verdict = { action: "reject", message, texts: null };
    return { verdict: enforced(refused), hit: { action: "reject", fault: reason } };
  }
}

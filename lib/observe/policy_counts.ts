// What is counted of policies: how often each found something, and what was done. Never what was found.

import { Histogram } from "./histogram.ts";
import type { Report, ReportedChecks, ReportedPolicy } from "./report.ts";

/** Seconds: a list of words takes microseconds, a guard model seconds. */
const DURATION_BOUNDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
/** Seconds: the next token comes within tens of milliseconds, a guard's verdict later. */
const HELD_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A policy's hits of one kind. */
export type PolicyCount = Pick<ReportedPolicy, "name" | "stage" | "mode" | "action"> & {
  value: number;
};

export class PolicyCounts {
  /** By policy, stage, mode and action; as many as the configuration can make. */
  readonly hits = new Map<string, PolicyCount>();

  /** By policy and reason. */
  readonly faults = new Map<string, { policy: string; reason: string; value: number }>();

  /** Looks of each policy at each stage. */
  readonly checks = new Map<string, Pick<ReportedChecks, "policy" | "stage"> & { value: number }>();

  /** What looks took, by policy. */
  readonly durations = new Map<string, Histogram>();

  /** The longest wait of each answer of which a part was held back. */
  readonly held = new Histogram(HELD_BOUNDS);

  request({ policies, policyFaults = [], policyChecks = [], policyHeldMs }: Report): void {
    if (policyHeldMs !== undefined) this.held.observe(policyHeldMs / 1000);
    for (const checks of policyChecks) this.#checked(checks);
    for (const { policy, reason } of policyFaults) {
      const id = `${policy} ${reason}`;
      const known = this.faults.get(id);
      if (known === undefined) this.faults.set(id, { policy, reason, value: 1 });
      else known.value++;
    }
    for (const { name, stage, mode, action, count } of policies) {
      const id = `${name} ${stage} ${mode} ${action}`;
      const known = this.hits.get(id);
      if (known === undefined) this.hits.set(id, { name, stage, mode, action, value: count });
      else known.value += count;
    }
  }

  #checked({ policy, stage, count, ms }: ReportedChecks): void {
    const id = `${policy} ${stage}`;
    const known = this.checks.get(id);
    if (known === undefined) this.checks.set(id, { policy, stage, value: count });
    else known.value += count;
    if (ms.length === 0) return;
    let durations = this.durations.get(policy);
    if (durations === undefined) {
      this.durations.set(policy, durations = new Histogram(DURATION_BOUNDS));
    }
    for (const one of ms) durations.observe(one / 1000);
  }
}

// What is counted of policies: how often each found something, and what was done. Never what was found.

import type { Report, ReportedPolicy } from "./report.ts";

/** A policy's hits of one kind. */
export type PolicyCount = Pick<ReportedPolicy, "name" | "stage" | "mode" | "action"> & {
  value: number;
};

export class PolicyCounts {
  /** By policy, stage, mode and action; as many as the configuration can make. */
  readonly hits = new Map<string, PolicyCount>();

  /** By policy and reason. */
  readonly faults = new Map<string, { policy: string; reason: string; value: number }>();

  request({ policies, policyFaults = [] }: Report): void {
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
}

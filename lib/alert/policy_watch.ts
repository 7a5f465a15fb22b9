// Alerts that come of policies: one that gives no verdict, and one that finds something in unusually many of
// the requests that it looks at.

import type { AlertRules } from "../config/config.ts";
import { looksForSomething, type PolicyOptions } from "../config/policies.ts";
import type { Report } from "../observe/report.ts";
import type { Bell } from "./bell.ts";
import { ShareWatch } from "./share_watch.ts";

/** What is looked at of a finished request. */
export type PolicedRequest = Pick<Report, "policies" | "policyFaults" | "policyChecks">;

export interface PolicyWatchConfig {
  readonly alertRules: Pick<AlertRules, "policyHits" | "windowS" | "minRequests">;
  readonly policies: readonly { readonly options: Pick<PolicyOptions, "name" | "type"> }[];
}

export class PolicyWatch {
  #rules: PolicyWatchConfig["alertRules"];
  #hits: ShareWatch | null;
  /** Names of policies that look for something. */
  #looking: ReadonlySet<string>;

  constructor(
    config: PolicyWatchConfig,
    private readonly bell: Bell,
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number,
  ) {
    this.#rules = config.alertRules;
    this.#hits = watchOf(config);
    this.#looking = lookingIn(config);
  }

  /** Counts go on, unless the rules have changed. */
  configure(config: PolicyWatchConfig): void {
    const before = this.#rules;
    this.#rules = config.alertRules;
    this.#looking = lookingIn(config);
    const isSame = (["policyHits", "windowS", "minRequests"] as const)
      .every((key) => before[key] === this.#rules[key]);
    if (isSame) return;
    for (const policy of this.#hits?.above ?? []) {
      this.bell.end("policy_hits", policy, "is judged by other rules now");
    }
    this.#hits = watchOf(config);
  }

  /** Counts a finished request; where no policy is in force it reads two fields. */
  request({ policies, policyFaults, policyChecks }: PolicedRequest): void {
    if (policyFaults !== undefined) this.#noteFaults(policyFaults);
    if (this.#hits === null || policyChecks === undefined) return;
    const now = this.now();
    for (const policy of new Set(policyChecks.map(({ policy }) => policy))) {
      if (!this.#looking.has(policy)) continue;
      const isHit = policies.some(({ name, action }) => name === policy && action !== "error");
      this.#hits.note(policy, isHit, now);
    }
  }

  /** Now and then: says what began and what is over. */
  tick(): void {
    const { windowS } = this.#rules;
    for (const { subject, begins, bad, all } of this.#hits?.look(this.now()) ?? []) {
      const message = all === 0
        ? `looked at no requests in the last ${windowS} s`
        : `found something in ${bad} of ${all} requests in the last ${windowS} s ` +
          `(${Math.round(bad / all * 100)} %)`;
      if (begins) this.bell.raise("policy_hits", subject, message);
      else this.bell.end("policy_hits", subject, message);
    }
  }

  /** What no policy can read is the client's doing, and its answer says so. */
  #noteFaults(faults: NonNullable<Report["policyFaults"]>): void {
    for (const { policy, reason } of faults) {
      if (reason === "unscanned") continue;
      this.bell.raise("policy_failing", policy, `gave no verdict: ${reason}`);
    }
  }
}

function watchOf({ alertRules: { policyHits, windowS, minRequests } }: PolicyWatchConfig) {
  return policyHits === null
    ? null
    : new ShareWatch({ limit: policyHits, windowS, least: minRequests });
}

function lookingIn({ policies }: PolicyWatchConfig): ReadonlySet<string> {
  return new Set(
    policies.filter(({ options }) => looksForSomething(options))
      .map(({ options }) => options.name),
  );
}

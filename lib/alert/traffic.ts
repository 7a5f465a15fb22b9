// Alerts that come of finished requests: too many of a model fail, its streams begin too late, its
// requests are answered again, and a fallback is needed no more.

import type { AlertRules } from "../config/config.ts";
import type { Report } from "../observe/report.ts";
import type { Bell } from "./bell.ts";
import { fallbacksOf } from "./incident.ts";
import { ShareWatch } from "./share_watch.ts";

/** What is looked at of a finished request. */
export type FinishedRequest = Pick<
  Report,
  | "model"
  | "instance"
  | "outcome"
  | "status"
  | "streamed"
  | "firstByteMs"
>;

export interface TrafficConfig {
  alertRules: AlertRules;
  instances: readonly { readonly name: string; readonly fallback: boolean }[];
}

/** Subject of requests that name no model that there is. */
export const UNKNOWN_MODEL = "unknown model";
/** Who is kept out or has used what was given is refused on purpose. */
const ON_PURPOSE: ReadonlySet<number> = new Set([401, 403, 429]);

/** Share of streams that may begin later than `first_token_s`. */
const LATE_SHARE = 0.05;

export class Traffic {
  #rules: AlertRules;
  #errors: ShareWatch | null = null;
  #refused: ShareWatch | null = null;
  #late: ShareWatch | null = null;
  #fallbacks = new Set<string>();
  /** When each fallback answered last, in the clock's milliseconds. */
  readonly #usedAt = new Map<string, number>();

  constructor(
    config: TrafficConfig,
    private readonly bell: Bell,
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number,
  ) {
    this.#rules = config.alertRules;
    this.#start(config);
  }

  /** Counts go on, unless the rules have changed. */
  configure(config: TrafficConfig): void {
    const before = this.#rules;
    this.#rules = config.alertRules;
    const same = (["errorRate", "refusedRate", "firstTokenS", "windowS", "minRequests"] as const)
      .every((key) => before[key] === this.#rules[key]);
    if (same) this.#fallbacks = fallbacksOf(config);
    else this.#start(config);
  }

  /** Counts a finished request; it is on the way of every one. */
  request(finished: FinishedRequest): void {
    const { model, instance, outcome, status, streamed, firstByteMs } = finished;
    const now = this.now();
    if (!ON_PURPOSE.has(status) && outcome !== "aborted") {
      this.#refused?.note(model || UNKNOWN_MODEL, outcome === "rejected", now);
    }
    if (outcome === "rejected") return;
    if (outcome !== "aborted") this.#errors?.note(model, outcome !== "complete", now);
    if (streamed && firstByteMs !== null) {
      this.#late?.note(model, firstByteMs > this.#rules.firstTokenS! * 1000, now);
    }
    if (outcome === "complete" && this.bell.isActive("no_instance", model)) {
      this.bell.end("no_instance", model, `a request was answered by ${instance}`);
    }
    if (this.#fallbacks.has(instance)) this.#usedAt.set(instance, now);
  }

  /** Now and then: says what began and what is over. */
  tick(): void {
    const now = this.now();
    const { windowS, firstTokenS } = this.#rules;
    for (const { subject, begins, bad, all } of this.#errors?.look(now) ?? []) {
      const message = all === 0
        ? `no requests in the last ${windowS} s`
        : `${bad} of ${all} requests failed in the last ${windowS} s (${percent(bad, all)})`;
      if (begins) this.bell.raise("error_rate", subject, message);
      else this.bell.end("error_rate", subject, message);
    }
    for (const { subject, begins, bad, all } of this.#refused?.look(now) ?? []) {
      const message = all === 0
        ? `no requests in the last ${windowS} s`
        : `${bad} of ${all} requests were refused in the last ${windowS} s (${percent(bad, all)})`;
      if (begins) this.bell.raise("refused_rate", subject, message);
      else this.bell.end("refused_rate", subject, message);
    }
    for (const { subject, begins, bad, all } of this.#late?.look(now) ?? []) {
      const message = all === 0
        ? `no streams in the last ${windowS} s`
        : `${bad} of ${all} streams in the last ${windowS} s waited longer than ${firstTokenS} s ` +
          `for their first token (${percent(bad, all)})`;
      if (begins) this.bell.raise("first_token_slow", subject, message);
      else this.bell.end("first_token_slow", subject, message);
    }
    for (const [name, at] of this.#usedAt) {
      if (now - at < windowS * 1000) continue;
      this.#usedAt.delete(name);
      this.bell.end("fallback_in_use", name, `has answered no request for ${windowS} s`);
    }
  }

  #start(config: TrafficConfig): void {
    const { errorRate, refusedRate, firstTokenS, windowS, minRequests } = config.alertRules;
    const changed = "is judged by other rules now";
    for (const model of this.#errors?.above ?? []) this.bell.end("error_rate", model, changed);
    for (const model of this.#refused?.above ?? []) this.bell.end("refused_rate", model, changed);
    for (const model of this.#late?.above ?? []) this.bell.end("first_token_slow", model, changed);
    this.#fallbacks = fallbacksOf(config);
    this.#errors = errorRate === null
      ? null
      : new ShareWatch({ limit: errorRate, windowS, least: minRequests });
    this.#refused = refusedRate === null
      ? null
      : new ShareWatch({ limit: refusedRate, windowS, least: minRequests });
    this.#late = firstTokenS === null
      ? null
      : new ShareWatch({ limit: LATE_SHARE, windowS, least: minRequests });
  }
}

function percent(part: number, all: number): string {
  return `${Math.round(part / all * 100)} %`;
}

// What policies did in the last hour, minute by minute: how often each looked and what that took, what was
// found, by model and action, with the newest request of each kind, and how long answers waited.

import { HOUR, MINUTE_MS, MinuteCounts } from "./minute_counts.ts";
import type { Report, ReportedChecks, ReportedPolicy } from "./report.ts";

/** The trend compares these last minutes. */
const LATELY = 5;
/** Kinds of finds that are told apart: clients choose the names of models. */
const MAX_KINDS = 500;

/** Names of fields are those of the JSON that pages read. */
export interface PolicyFinds extends Pick<ReportedPolicy, "stage" | "mode" | "action"> {
  readonly policy: string;
  readonly model: string;
  readonly count: number;
  /** In the last five minutes. */
  readonly lately: number;
  readonly newest: { readonly id: string; readonly at: number };
}

export interface PolicyFigures {
  readonly checks: number;
  /** Of what was timed alone; null where nothing was. */
  readonly mean_ms: number | null;
  /** Requests without a verdict. */
  readonly errors: number;
  /** Finds of each minute, the oldest first. */
  readonly minutes: readonly number[];
}

export interface PolicyHistoryView {
  /** Beginnings of the minutes, in seconds since 1970. */
  readonly times: readonly number[];
  readonly policies: ReadonlyMap<string, PolicyFigures>;
  /** The most frequent first. */
  readonly finds: readonly PolicyFinds[];
  /** Answers of which a part was held back, and the longest wait of each. */
  readonly held: {
    readonly answers: number;
    readonly mean_ms: number | null;
    readonly worst_ms: number | null;
  };
}

interface Kind extends Omit<PolicyFinds, "count" | "lately" | "newest"> {
  readonly counts: MinuteCounts;
  newest: PolicyFinds["newest"];
}

class Counts {
  readonly checks = new MinuteCounts();
  readonly timed = new MinuteCounts();
  readonly ms = new MinuteCounts();
  readonly errors = new MinuteCounts();
  readonly finds = new MinuteCounts();
}

export class PolicyHistory {
  readonly #policies = new Map<string, Counts>();
  readonly #kinds = new Map<string, Kind>();
  readonly #answers = new MinuteCounts();
  readonly #heldMs = new MinuteCounts();
  readonly #worstMs = new MinuteCounts();

  /** `now` is the wall clock in milliseconds. */
  constructor(private readonly now: () => number) {}

  /** On the way of every request: without policies it reads one field. */
  request(report: Report): void {
    const { policyChecks, policyFaults = [], policyHeldMs, policies } = report;
    if (policyChecks === undefined) return;
    const minute = Math.floor(this.now() / MINUTE_MS);
    for (const checks of policyChecks) this.#checked(checks, minute);
    for (const { policy } of policyFaults) this.#of(policy).errors.add(minute);
    for (const hit of policies) this.#found(hit, report, minute);
    if (policyHeldMs === undefined) return;
    this.#answers.add(minute);
    this.#heldMs.add(minute, policyHeldMs);
    this.#worstMs.raise(minute, policyHeldMs);
  }

  /** Of the policies that have these names. */
  view(names: ReadonlySet<string>, most = 100): PolicyHistoryView {
    const minute = Math.floor(this.now() / MINUTE_MS);
    this.#forget(minute, names);
    const finds = [...this.#kinds.values()].map(({ counts, ...kind }) => ({
      ...kind,
      count: counts.sum(minute, HOUR),
      lately: counts.sum(minute, LATELY),
    }));
    finds.sort((a, b) => b.count - a.count || b.newest.at - a.newest.at);
    const answers = this.#answers.sum(minute, HOUR);
    return {
      times: Array.from({ length: HOUR }, (_, at) => (minute - HOUR + 1 + at) * MINUTE_MS / 1000),
      policies: new Map([...names].map((name) => [name, this.#figures(name, minute)])),
      finds: finds.slice(0, most),
      held: {
        answers,
        mean_ms: answers === 0 ? null : tenths(this.#heldMs.sum(minute, HOUR) / answers),
        worst_ms: answers === 0 ? null : tenths(Math.max(...this.#worstMs.values(minute))),
      },
    };
  }

  #figures(name: string, minute: number): PolicyFigures {
    const { checks, timed, ms, errors, finds } = this.#policies.get(name) ?? new Counts();
    const count = timed.sum(minute, HOUR);
    return {
      checks: checks.sum(minute, HOUR),
      mean_ms: count === 0 ? null : hundredths(ms.sum(minute, HOUR) / count),
      errors: errors.sum(minute, HOUR),
      minutes: finds.values(minute),
    };
  }

  #of(policy: string): Counts {
    let counts = this.#policies.get(policy);
    if (counts === undefined) this.#policies.set(policy, counts = new Counts());
    return counts;
  }

  #checked({ policy, count, ms }: ReportedChecks, minute: number): void {
    const counts = this.#of(policy);
    counts.checks.add(minute, count);
    for (const one of ms) {
      counts.timed.add(minute);
      counts.ms.add(minute, one);
    }
  }

  #found(hit: ReportedPolicy, { id, startedAtMs, model }: Report, minute: number): void {
    const { name: policy, stage, mode, action, count } = hit;
    // What a guard could not say is among the errors.
    if (action === "error") return;
    this.#of(policy).finds.add(minute, count);
    const place = JSON.stringify([policy, stage, mode, action, model]);
    let kind = this.#kinds.get(place);
    if (kind === undefined) {
      if (this.#kinds.size >= MAX_KINDS) this.#forget(minute, null);
      if (this.#kinds.size >= MAX_KINDS) return;
      const newest = { id: "", at: 0 };
      kind = { policy, stage, mode, action, model, counts: new MinuteCounts(), newest };
      this.#kinds.set(place, kind);
    }
    kind.counts.add(minute, count);
    kind.newest = { id, at: startedAtMs };
  }

  /** What is over for an hour, and policies that are in the configuration no more. */
  #forget(minute: number, names: ReadonlySet<string> | null): void {
    for (const [place, { policy, counts }] of this.#kinds) {
      const isGone = names !== null && !names.has(policy);
      if (isGone || counts.sum(minute, HOUR) === 0) this.#kinds.delete(place);
    }
    if (names === null) return;
    for (const name of this.#policies.keys()) if (!names.has(name)) this.#policies.delete(name);
  }
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function hundredths(ms: number): number {
  return Math.round(ms * 100) / 100;
}

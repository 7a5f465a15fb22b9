// What fails lately, in groups by status, model, reason and client, with their share and the newest example
// of each: the last hour, minute by minute. A client that left has not failed.

import { HOUR, MINUTE_MS, MinuteCounts } from "./minute_counts.ts";
import type { Report } from "./report.ts";

/** The trend compares these last minutes. */
const LATELY = 5;
/** Groups that are told apart; what fails in yet other ways is one more. */
const MAX_GROUPS = 300;
const MAX_REASON = 160;

/** Names of fields are those of the JSON that pages read. */
export interface FailingGroup {
  readonly status: number;
  readonly model: string;
  /** What was said, without what differs from request to request. */
  readonly reason: string;
  /** Name of the key, or the client's address. */
  readonly client: string;
  readonly count: number;
  /** Of all requests of the time, 0 to 1. */
  readonly share: number;
  /** In the last five minutes. */
  readonly lately: number;
  readonly newest: { readonly id: string; readonly at: number; readonly instance: string };
}

export interface FailingView {
  readonly minutes: number;
  /** All requests of the time, those that their clients left among them. */
  readonly requests: number;
  readonly failed: number;
  /** The largest first. */
  readonly groups: readonly FailingGroup[];
}

interface Group extends Pick<FailingGroup, "status" | "model" | "reason" | "client"> {
  readonly counts: MinuteCounts;
  newest: FailingGroup["newest"];
}

export class Failing {
  readonly #all = new MinuteCounts();
  readonly #failed = new MinuteCounts();
  readonly #groups = new Map<string, Group>();
  /** The minute in which groups were looked through last. */
  #forgotten = -1;

  /** `now` is the wall clock in milliseconds. */
  constructor(private readonly now: () => number) {}

  /** On the way of every request: those that were answered cost one count. */
  request(report: Report): void {
    const minute = Math.floor(this.now() / MINUTE_MS);
    this.#all.add(minute);
    const { outcome } = report;
    if (outcome === "complete" || outcome === "aborted") return;
    this.#failed.add(minute);
    const group = this.#groupOf(report, minute);
    group.counts.add(minute);
    group.newest = { id: report.id, at: report.startedAtMs, instance: report.instance };
  }

  /** At most `most` groups. */
  view(most = 50): FailingView {
    const minute = Math.floor(this.now() / MINUTE_MS);
    this.#forget(minute);
    const requests = this.#all.sum(minute, HOUR);
    const groups = [...this.#groups.values()].map(({ counts, ...group }) => {
      const count = counts.sum(minute, HOUR);
      const share = requests === 0 ? 0 : count / requests;
      return { ...group, count, share, lately: counts.sum(minute, LATELY) };
    });
    groups.sort((a, b) => b.count - a.count || b.newest.at - a.newest.at);
    return {
      minutes: HOUR,
      requests,
      failed: this.#failed.sum(minute, HOUR),
      groups: groups.slice(0, most),
    };
  }

  #groupOf({ status, model, error, caller, client: address }: Report, minute: number): Group {
    const reason = reasonOf(error);
    const client = caller === null ? address : caller.key;
    const key = JSON.stringify([status, model, reason, client]);
    let group = this.#groups.get(key);
    if (group !== undefined) return group;
    if (this.#groups.size >= MAX_GROUPS) this.#forget(minute);
    if (this.#groups.size >= MAX_GROUPS) return this.#others();
    const newest = { id: "", at: 0, instance: "" };
    group = { status, model, reason, client, counts: new MinuteCounts(), newest };
    this.#groups.set(key, group);
    return group;
  }

  #others(): Group {
    let group = this.#groups.get("");
    if (group === undefined) {
      const newest = { id: "", at: 0, instance: "" };
      group = { status: 0, model: "", reason: "", client: "", counts: new MinuteCounts(), newest };
      this.#groups.set("", group);
    }
    return group;
  }

  /** Once a minute: what is found empty then stays so. */
  #forget(minute: number): void {
    if (minute === this.#forgotten) return;
    this.#forgotten = minute;
    for (const [key, { counts }] of this.#groups) {
      if (counts.sum(minute, HOUR) === 0) this.#groups.delete(key);
    }
  }
}

/** Numbers, ids and addresses differ from request to request: they are left out. */
function reasonOf(error: string): string {
  const plain = error
    .replace(/\b(?:[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|[a-z]+-[0-9a-f]{16,})\b/gi, "…")
    .replace(/\d+(?:\.\d+)?/g, "#");
  return plain.length > MAX_REASON ? `${plain.slice(0, MAX_REASON - 1)}…` : plain;
}

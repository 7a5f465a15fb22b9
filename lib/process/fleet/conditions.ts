// Since when each instance is as it is, and why: what the pool and people said last. Shown beside the state,
// which is read from the instance itself.

import type { PoolEvent } from "../../pool/outlier.ts";
import { byName, type Roster } from "../../pool/roster.ts";

/** Instances that are not there are remembered, so many: one that a discovery finds again was away for a while. */
const AWAY = 64;

export interface ConditionNote {
  /** ISO text. */
  readonly since: string;
  /** In the instance's own words, where it had some; "" where all is well. */
  readonly cause: string;
}

interface PoolNote extends ConditionNote {
  readonly kind: PoolEvent["kind"];
}

export class Conditions {
  readonly #notes: Map<string, PoolNote>;
  readonly #drained = new Map<string, ConditionNote>();

  constructor(roster: Roster, private readonly now: () => Date) {
    this.#notes = roster.remember(byName, AWAY);
  }

  poolEvent({ kind, instance, message }: PoolEvent): void {
    const before = this.#notes.get(instance);
    const isSame = before?.kind === kind && kind !== "instance_recovered";
    const since = isSame ? before.since : this.now().toISOString();
    const cause = kind === "instance_recovered" ? "" : message;
    this.#notes.set(instance, { kind, since, cause });
  }

  /** `since` where it was before the start. */
  drained(instance: string, since = this.now().toISOString()): void {
    if (this.#drained.has(instance)) return;
    this.#drained.set(instance, { since, cause: "drained by hand" });
  }

  /** ISO text; null where it is not drained. */
  drainedSince(instance: string): string | null {
    return this.#drained.get(instance)?.since ?? null;
  }

  undrained(instance: string): void {
    this.#drained.delete(instance);
  }

  /** No others are drained. */
  onlyDrained(names: ReadonlySet<string>): void {
    for (const name of this.#drained.keys()) if (!names.has(name)) this.#drained.delete(name);
  }

  /** null where nothing has happened to it since the start. */
  of(instance: string): ConditionNote | null {
    const note = this.#drained.get(instance) ?? this.#notes.get(instance);
    return note === undefined ? null : { since: note.since, cause: note.cause };
  }
}

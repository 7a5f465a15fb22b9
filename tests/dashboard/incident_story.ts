// What can be told of an incident, and whether those who tell it agree. How each one is read is left to
// incident_views.ts and incident_channels.ts.

import assert from "node:assert/strict";
import type { AlertKind } from "../../lib/alert/alert.ts";

/** By the name of an instance or the kind of an alert; what never happened has no entry. */
export type Told = Record<string, number | string>;

/** One view's story. What the view does not tell at all is left out. */
export interface Story {
  /** Of each instance. */
  states?: Told;
  /** Finished requests that each instance answered. */
  requests?: Told;
  promptTokens?: Told;
  completionTokens?: Told;
  /** Requests sent to each instance, however that ended. */
  attempts?: Told;
  /** Attempts that speak against their instance. */
  errors?: Told;
  /** Failed attempts in requests that a later attempt answered. */
  failovers?: Told;
  /** Times that each instance was found down, and that it came back. */
  downs?: Told;
  recoveries?: Told;
  /** Requests that each fallback answered. */
  fallbackUses?: Told;
  /** Reasons to alert, by kind. */
  alerts?: Told;
  /** Messages that something is over, by kind; the end of a down instance has a kind of its own. */
  ends?: Told;
  /** Whom the alerts and their ends were about, by kind. */
  subjects?: Told;
}

/** Some alerts of one kind, as a view has them. */
export interface Said {
  kind: AlertKind;
  /** It is over, where the kind does not say so itself. */
  over: boolean;
  subjects: string[];
  times: number;
}

/** What alerts tell when only their number and subjects are known of each kind. */
export function storyOfAlerts(said: readonly Said[]): Story {
  const subjects: Record<string, string> = {};
  for (const kind of new Set(said.map(keyOf))) {
    const named = said.filter((one) => keyOf(one) === kind).flatMap((one) => one.subjects);
    subjects[kind] = [...new Set(named)].sort().join(", ");
  }
  return {
    alerts: sums(said.filter(({ over }) => !over), ({ kind }) => kind, timesOf),
    ends: sums(said.filter(({ over }) => over), ({ kind }) => kind, timesOf),
    subjects,
  };
}

/** What alerts tell when each one is about a single subject. */
export function storyOfSingleAlerts(said: readonly Said[]): Story {
  const of = (wanted: AlertKind) =>
    sums(
      said.filter(({ kind, over }) => kind === wanted && !over),
      ({ subjects }) => subjects[0],
      timesOf,
    );
  return {
    ...storyOfAlerts(said),
    downs: of("instance_down"),
    recoveries: of("instance_recovered"),
    fallbackUses: of("fallback_in_use"),
  };
}

/** How many alerts and ends there are in all. */
export function countOf(said: readonly Said[]): number {
  return said.reduce((sum, { times }) => sum + times, 0);
}

const keyOf = ({ kind, over }: Said) => over ? `${kind} over` : kind;
const timesOf = ({ times }: Said) => times;

/** The sum of `valueOf` (1) for each key; zeros are left out. */
export function sums<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  valueOf: (item: T) => number = () => 1,
): Record<string, number> {
  const found: Record<string, number> = {};
  for (const item of items) {
    const value = valueOf(item);
    if (value !== 0) found[keyOf(item)] = (found[keyOf(item)] ?? 0) + value;
  }
  return found;
}

/** Throws with the two that differ, unless all views tell the same of whatever more than one tells. */
export function assertAgree(views: Readonly<Record<string, Story>>): void {
  const facts = new Set(Object.values(views).flatMap((story) => Object.keys(story)));
  for (const fact of facts as Set<keyof Story>) {
    const [first, ...others] = Object.entries(views).filter(([, story]) => fact in story);
    assert.notEqual(others.length, 0, `nothing to compare the ${fact} of ${first[0]} with`);
    for (const [name, story] of others) {
      assert.deepEqual(story[fact], first[1][fact], `${fact}: ${name} and ${first[0]} differ`);
    }
  }
}

// A set of rules on texts, compiled: one automaton for all words, and the runs that finders look at. What is
// done with what they find is left to who reads a text by them (reading.ts).

import type { Automaton } from "./automaton.ts";
import type { RunKind } from "./finder.ts";

/** What is done where a rule finds something. */
export type RuleAction = "cut" | "mask" | "replace" | "flag";

/** One policy, as far as texts are concerned. */
export interface TextRule {
  readonly name: string;
  readonly mode: "enforce" | "audit";
  readonly action: RuleAction;
  /** As the file says it, for those who are told. */
  readonly said: string;
  /** Whether only whole words count. */
  readonly wholeWords: boolean;
  /** Whether it also writes otherwise what stands in a schema. */
  readonly keepsForm?: boolean;
  /** What stands in place of a match; null for its kind in brackets. */
  replacement(found: string, kind: string): string;
}

export interface TextRules {
  /** By the number of the owner. */
  readonly rules: readonly TextRule[];
  /** null where no words are looked for. */
  readonly automaton: Automaton | null;
  readonly runs: readonly RunKind[];
}

/** Whether a rule changes what it looks at. */
export function acts({ mode, action }: TextRule): boolean {
  return mode === "enforce" && action !== "flag";
}

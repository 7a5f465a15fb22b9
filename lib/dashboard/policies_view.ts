// What the page of policies shows. Names of fields are those of the JSON.

import type { PolicyFigures, PolicyHistoryView } from "../observe/policy_history.ts";

/** One policy of the configuration, with what it did in the last hour. */
export interface PolicyView extends PolicyFigures {
  readonly name: string;
  readonly type: string;
  readonly mode: "enforce" | "audit";
  /** prompt, answer or both. */
  readonly on: string;
}

export interface PoliciesView extends Omit<PolicyHistoryView, "policies"> {
  /** In the order of the file. */
  readonly policies: readonly PolicyView[];
}

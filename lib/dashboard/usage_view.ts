// What the page of usage shows. Names of fields are those of the JSON.

/** What usage can be told apart by. */
export const USAGE_BY = ["key", "group", "client", "model", "day", "outcome"] as const;
export type UsageBy = typeof USAGE_BY[number];

export interface UsageQuery {
  readonly by: readonly UsageBy[];
  /** First and last day, as 2026-11-26; "" for no bound. */
  readonly from: string;
  readonly to: string;
  /** "" for all. */
  readonly key: string;
  readonly client: string;
  readonly model: string;
}

/** Tokens are those of prompt and answer; cached ones are among those of the prompt. */
export interface UsageFigures {
  readonly requests: number;
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  readonly tokens: number;
  /** Requests whose tokens nobody told. */
  readonly estimated: number;
  readonly cost: number;
}

export interface UsageView {
  /** Whether anybody needs a key; without keys usage is that of clients. */
  readonly keyed: boolean;
  /** The gateway's day of now. */
  readonly today: string;
  readonly by: readonly UsageBy[];
  /** By days in their order, else what cost or used most stands first. */
  readonly rows: readonly (UsageFigures & { readonly values: readonly string[] })[];
  /** Rows that there are; so many of them are left out. */
  readonly left_out: number;
  readonly total: UsageFigures;
}

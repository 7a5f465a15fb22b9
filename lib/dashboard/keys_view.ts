// What the page of keys shows: who has used how much, and what of limits and budgets is left. Names of
// fields are those of the JSON.

/** What was used in a day or a month. */
export interface UsedView {
  requests: number;
  /** Of prompts and answers together. */
  tokens: number;
  /** In the currency of `limits.prices`. */
  cost: number;
}

/** A limit that is counted: by the minute, or at once. */
export interface LimitView {
  limit: string;
  allowed: number;
  /** What may be used now. */
  remaining: number;
}

export interface BudgetView {
  period: "day" | "month" | "total";
  tokens: number | null;
  cost: number | null;
  used_tokens: number;
  used_cost: number;
  /** 1 where it is used up, more where it was overdrawn. */
  used_ratio: number;
  resets_at: string | null;
}

/** A key or a group. */
export interface AccountView {
  name: string;
  limits: readonly LimitView[];
  budgets: readonly BudgetView[];
  day: UsedView;
  month: UsedView;
}

export interface KeyView extends AccountView {
  group: string | null;
  note: string;
  /** `token`: who comes with a signed token, and no key of the configuration has that name. */
  state: "active" | "disabled" | "expired" | "token";
  expires_at: string | null;
  in_flight: number;
}

/** One of those who have used most. */
export interface TopUser {
  name: string;
  used: UsedView;
  /** Of what all have used: of costs where there are any, else of tokens. */
  share: number;
}

export interface KeysView {
  time: string;
  /** Whether anybody needs a key. */
  keyed: boolean;
  /** Whether anything has a price. */
  priced: boolean;
  /** Keys whose names have what was searched for. */
  found: number;
  /** Of those the ones that have used most this month, at most a hundred. */
  keys: readonly KeyView[];
  groups: readonly AccountView[];
  top: { day: readonly TopUser[]; month: readonly TopUser[] };
}

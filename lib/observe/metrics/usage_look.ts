// What callers have used, at the moment of a scrape.

/** What a key has used since the start. */
export interface KeyLook {
  /** Requests by outcome. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Tokens by model; cached ones are among those of the prompt. */
  readonly models: ReadonlyMap<
    string,
    { readonly prompt: number; readonly cached: number; readonly completion: number }
  >;
  readonly sum: { readonly cost: number };
}

/** A budget at the moment of a scrape. */
export interface BudgetLook {
  readonly scope: "key" | "group";
  readonly name: string;
  readonly period: string;
  readonly usedRatio: number;
}

export interface UsageLook {
  readonly keys: ReadonlyMap<string, KeyLook>;
  /** Requests whose usage nobody told, by how they ended. */
  readonly estimated: ReadonlyMap<string, number>;
  readonly budgets: readonly BudgetLook[];
  /** Requests under way, by key. */
  readonly inFlight: ReadonlyMap<string, number>;
}

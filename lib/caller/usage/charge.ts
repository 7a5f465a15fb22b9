// What one request has cost its caller, as it is booked, and what a caller has used of a budget.

import { Amount } from "./amount.ts";

/** What a request used. */
export interface Spent {
  /** Tokens of the prompt, cached ones among them. */
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  /** Whether the tokens are estimated: nobody told them. */
  readonly estimated: boolean;
}

/** One request that ended, booked once. */
export interface Charge extends Spent {
  /** Name of the key. */
  readonly key: string;
  /** Name of its group; null without one. */
  readonly group: string | null;
  /** As the client named it; "" where it never came to that. */
  readonly model: string;
  /** In units of money (price.ts). */
  readonly cost: number;
  /** How the request ended, in the words of reports. */
  readonly outcome: string;
  /** When it ended, in milliseconds since 1970: that says in which day and month it counts. */
  readonly atMs: number;
}

/** What a budget may be about. */
export type BudgetScope = "key" | "group";

/** What was used within a period. */
export interface Used {
  readonly requests: number;
  /** Of prompts and answers together. */
  readonly tokens: number;
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  readonly cost: number;
}

export function amountOf(charge: Spent & Pick<Charge, "cost">): Amount {
  const amount = new Amount();
  amount.requests = 1;
  amount.prompt = charge.prompt;
  amount.cached = charge.cached;
  amount.completion = charge.completion;
  amount.estimated = charge.estimated ? 1 : 0;
  return amount.pay(charge.cost);
}

export function usedOf(amount: Amount): Used {
  const { requests, tokens, prompt, cached, completion, cost } = amount;
  return { requests, tokens, prompt, cached, completion, cost };
}

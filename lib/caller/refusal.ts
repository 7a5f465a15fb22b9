// A request that its caller may not make, or not now: the words, the reason for machines, and when to come
// again.

import { RequestError } from "../http/client.ts";

/** For machines, in the error's `reason`. */
export type Reason =
  | "invalid_api_key"
  | "missing_api_key"
  | "invalid_token"
  | "token_expired"
  | "token_keys"
  | "key_expired"
  | "key_disabled"
  | "address"
  | "route"
  | "requests_per_minute"
  | "tokens_per_minute"
  | "concurrency"
  | "max_prompt_tokens"
  | "max_completion_tokens"
  | "budget_day"
  | "budget_month"
  | "budget_total"
  | "queue"
  | "shared_state";

export interface RefusalFacts {
  readonly status: 400 | 401 | 403 | 429 | 503;
  readonly reason: Reason;
  readonly message: string;
  /** Until it is worth another try; null where that is never, or not known. */
  readonly waitMs?: number | null;
  /** false where asking again would be refused as well. */
  readonly shouldRetry?: boolean;
  readonly param?: string | null;
  readonly limit?: number;
  readonly remaining?: number;
}

export class Refusal extends RequestError {
  constructor(readonly facts: RefusalFacts) {
    super(facts.status, facts.message, facts.param ?? null);
  }
}

// Limits for tests that say what they limit.

import type { Rates } from "../../lib/config/access.ts";

/** Nothing is limited but what `more` says. */
export function rates(more: Partial<Rates> = {}): Rates {
  return {
    requestsPerMinute: null,
    tokensPerMinute: null,
    concurrency: null,
    maxPromptTokens: null,
    maxCompletionTokens: null,
    burstS: 60,
    ...more,
  };
}

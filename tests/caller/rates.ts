// Limits for tests that say what they limit.

import { NO_RATES, type Rates } from "../../lib/config/access.ts";

/** Nothing is limited but what `more` says. */
export function rates(more: Partial<Rates> = {}): Rates {
  return { ...NO_RATES, ...more };
}

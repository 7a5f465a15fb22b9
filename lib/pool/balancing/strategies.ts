// The list of strategies: a new one is a file beside this one and a line here.

import { leastConnections } from "./least_connections.ts";
import { roundRobin } from "./round_robin.ts";
import type { Router } from "./router.ts";
import { type Strategy, took } from "./strategy.ts";

/** How a strategy is made for one model. */
export interface StrategyKind {
  /** Whether it looks at prompts: these are hashed then, and noted. */
  readonly looksAtPrompts: boolean;
  make(router: Router): Strategy;
}

export const strategies: Readonly<Record<string, StrategyKind>> = {
  round_robin: { looksAtPrompts: false, make: () => roundRobin },
  least_connections: { looksAtPrompts: false, make: () => leastConnections },
  prefix_aware: {
    looksAtPrompts: true,
    make: (router) => (candidates, { chain, session }) =>
      took(candidates[router.choose(candidates, chain, session)], candidates),
  },
  bounded_hash: {
    looksAtPrompts: true,
    make: (router) => (candidates, { chain }) =>
      took(candidates[router.home(candidates, chain)], candidates),
  },
};

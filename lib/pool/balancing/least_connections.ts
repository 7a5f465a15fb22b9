// The fewest requests in flight for its weight; equals take turns.

import { type Ask, type Candidate, took } from "./strategy.ts";

export function leastConnections<C extends Candidate>(candidates: readonly C[], _ask: Ask): C {
  let best = candidates[0];
  let bestLoad = best.inFlight / best.weight;
  for (let i = 1; i < candidates.length; i++) {
    const candidate = candidates[i];
    const load = candidate.inFlight / candidate.weight;
    if (load < bestLoad || (load === bestLoad && candidate.lastPick < best.lastPick)) {
      best = candidate;
      bestLoad = load;
    }
  }
  return took(best, candidates);
}

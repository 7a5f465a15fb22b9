// The home of a prompt's beginning, unless that has more than its share: for gateways that know nothing of
// each other. Nothing is remembered; every gateway decides alike. Figures: docs/decisions/routing.md.

import type { Standings } from "./standings.ts";

/**
 * The first in rendezvous order that has less than `bound` times its fair share of the requests under
 * way; where all have more, the home. At least one stands; of each its rank, weight and requests count.
 */
export function boundedHash({ count, rank, weight, underWay }: Standings, bound: number): number {
  let requests = 1;
  let weights = 0;
  for (let at = 0; at < count; at++) {
    requests += underWay[at];
    weights += weight[at];
  }
  let home = 0;
  let best = -1;
  for (let at = 0; at < count; at++) {
    if (rank[at] < rank[home]) home = at;
    const most = Math.ceil(bound * requests * weight[at] / weights);
    if (underWay[at] + 1 > most) continue;
    if (best < 0 || rank[at] < rank[best]) best = at;
  }
  return best < 0 ? home : best;
}

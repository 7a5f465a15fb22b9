// The least cost in seconds: what waits at an instance, what of the prompt it would have to compute, and
// the company the request would have there. A pure decision from numbers; where they come from is left to
// load/. The formula and what it was measured against: docs/decisions/routing.md.

import type { RoutingWeights } from "../../config/routing.ts";
import type { Standings } from "./standings.ts";

/** What counts how much; the defaults are the file's. */
export type CostWeights = RoutingWeights;

export const USUAL_WEIGHTS: CostWeights = {
  recompute: 2,
  crowd: 2,
  company: 0.5,
  loadBound: 2,
  loadSlack: 4,
};

/** A difference in seconds that is none. */
const ALIKE_S = 0.002;
/** For less a prompt is not computed at a second place. */
const WORTH_MOVING_S = 0.05;
/** A difference in tokens that is none. */
const ALIKE_TOKENS = 32;

/**
 * Writes what each would cost for a prompt of `tokens`, and who has its share already; `usualWork`: tokens that
 * a usual request computes.
 */
export function weigh(
  standings: Standings,
  tokens: number,
  usualWork: number,
  { recompute, crowd, company, loadBound, loadSlack }: CostWeights,
): void {
  const { count, matched, backlog, unanswered, underWay, speed, weight } = standings;
  let requests = 1;
  let waiting = 0;
  let shares = 0;
  for (let at = 0; at < count; at++) {
    requests += underWay[at];
    waiting += unanswered[at];
    shares += speed[at] * weight[at];
  }
  const usualCrowd = waiting / count;
  for (let at = 0; at < count; at++) {
    const fair = requests * speed[at] * weight[at] / shares;
    standings.isOverBound[at] = underWay[at] + 1 > Math.max(loadSlack, loadBound * fair) ? 1 : 0;
    // Computing something twice costs those who wait there: where nobody waits it costs little.
    const price = 1 + recompute + crowd * Math.min(usualCrowd, unanswered[at]);
    const work = Math.max(1, tokens - matched[at]) * price;
    standings.seconds[at] = (backlog[at] + work + company * usualWork * underWay[at]) / speed[at];
  }
}

/**
 * The index of the least cost within the load bound; among those that cost alike the one that comes first
 * in rendezvous order. Where all are over the bound, the one with the fewest requests for its weight.
 */
export function leastCost(standings: Standings): number {
  const { count, matched, underWay, weight, rank, seconds, isOverBound } = standings;
  let cheapest = Infinity;
  for (let at = 0; at < count; at++) {
    if (isOverBound[at] === 0 && seconds[at] < cheapest) cheapest = seconds[at];
  }
  let best = -1;
  let lowest = Infinity;
  let most = 0;
  let least = 0;
  for (let at = 0; at < count; at++) {
    if (underWay[at] / weight[at] < underWay[least] / weight[least]) least = at;
    if (isOverBound[at] === 1 || seconds[at] > cheapest + WORTH_MOVING_S) continue;
    const cost = Math.round(seconds[at] / ALIKE_S) + rank[at];
    const isMore = matched[at] > most + ALIKE_TOKENS;
    if (!isMore && (cost >= lowest || matched[at] < most - ALIKE_TOKENS)) continue;
    lowest = cost;
    most = matched[at];
    best = at;
  }
  return best < 0 ? least : best;
}

// The least cost in seconds: what waits at an instance, what of the prompt it would have to compute, and
// the company the request would have there. A pure decision from numbers; where they come from is left to
// load/. The formula and what it was measured against: docs/decisions/routing.md.

/** An instance as it stands when a request is to be placed. */
export interface Standing {
  /** Tokens of this prompt that it is taken to hold. */
  readonly matched: number;
  /** Tokens to be computed there before this prompt. */
  readonly backlog: number;
  /** Requests there without a first token. */
  readonly unanswered: number;
  /** Requests under way there, those of others included. */
  readonly underWay: number;
  /** Prompt tokens that it computes in a second. */
  readonly speed: number;
  /** Above zero; less while it warms up. */
  readonly weight: number;
  /** Rank in the rendezvous order of the prompt's beginning, the least is its home (rendezvous.ts). */
  readonly rank: number;
}

/** What counts how much. */
export interface CostWeights {
  /** How much dearer than waiting it is to compute something again. */
  readonly recompute: number;
  /** And how much more for each request that waits there. */
  readonly crowd: number;
  /** A request under way counts as this share of the work of a usual one. */
  readonly company: number;
  /** No more than this times the fair share of the requests … */
  readonly loadBound: number;
  /** … unless it has fewer than this. */
  readonly loadSlack: number;
}

export const USUAL_WEIGHTS: CostWeights = {
  recompute: 2,
  crowd: 2,
  company: 0.5,
  loadBound: 2,
  loadSlack: 4,
};

/** A difference in seconds that is none. */
const ALIKE_S = 0.002;

/** What one instance would cost, or why it was left out. */
export interface Cost {
  /** Infinity where it is left out. */
  readonly seconds: number;
  /** It has its share of the requests already. */
  readonly isOverBound: boolean;
}

/** Costs of all `standings` for a prompt of `tokens`; `usualWork`: tokens that a usual request computes. */
export function costs(
  standings: readonly Standing[],
  tokens: number,
  usualWork: number,
  weights: CostWeights,
): Cost[] {
  let underWay = 0;
  let unanswered = 0;
  let shares = 0;
  for (const standing of standings) {
    underWay += standing.underWay;
    unanswered += standing.unanswered;
    shares += standing.speed * standing.weight;
  }
  const crowd = unanswered / standings.length;
  return standings.map((standing) => {
    const fair = (underWay + 1) * standing.speed * standing.weight / shares;
    const isOverBound = standing.underWay + 1 >
      Math.max(weights.loadSlack, weights.loadBound * fair);
    // Computing something twice costs those who wait there: where nobody waits it costs little.
    const price = 1 + weights.recompute + weights.crowd * Math.min(crowd, standing.unanswered);
    const work = Math.max(1, tokens - standing.matched) * price;
    const company = weights.company * usualWork * standing.underWay;
    return { seconds: (standing.backlog + work + company) / standing.speed, isOverBound };
  });
}

/**
 * The index of the least cost within the load bound; among those that cost alike the one that comes first
 * in rendezvous order. Where all are over the bound, the one with the fewest requests for its weight.
 */
export function leastCost(standings: readonly Standing[], prices: readonly Cost[]): number {
  let best = -1;
  let lowest = Infinity;
  let least = 0;
  for (let index = 0; index < standings.length; index++) {
    const standing = standings[index];
    if (standing.underWay / standing.weight < standings[least].underWay / standings[least].weight) {
      least = index;
    }
    if (prices[index].isOverBound) continue;
    const cost = Math.round(prices[index].seconds / ALIKE_S) + standing.rank;
    if (cost >= lowest) continue;
    lowest = cost;
    best = index;
  }
  return best < 0 ? least : best;
}

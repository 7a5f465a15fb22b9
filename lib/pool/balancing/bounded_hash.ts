// The home of a prompt's beginning, unless that has more than its share: for gateways that know nothing of
// each other. Nothing is remembered; every gateway decides alike. Figures: docs/decisions/routing.md.

/** An instance that may be picked. */
export interface Hashed {
  /** Rank in the rendezvous order of the prompt's beginning (rendezvous.ts). */
  readonly rank: number;
  readonly weight: number;
  /** Requests under way there. */
  readonly underWay: number;
}

/**
 * The first in rendezvous order that has less than `bound` times its fair share of the requests under
 * way; where all have more, the home. `candidates` has at least one.
 */
export function boundedHash<C extends Hashed>(candidates: readonly C[], bound: number): C {
  let requests = 1;
  let weights = 0;
  for (const candidate of candidates) {
    requests += candidate.underWay;
    weights += candidate.weight;
  }
  let home = candidates[0];
  let best: C | null = null;
  for (const candidate of candidates) {
    if (candidate.rank < home.rank) home = candidate;
    const most = Math.ceil(bound * requests * candidate.weight / weights);
    if (candidate.underWay + 1 > most) continue;
    if (best === null || candidate.rank < best.rank) best = candidate;
  }
  return best ?? home;
}

// The one interface of load balancing. Which instances may be picked at all is left to the pool.

import type { PromptChain } from "../prefix/chain.ts";
import type { Place } from "./decision.ts";

/** What is known of the request that wants an instance. */
export interface Ask {
  /** As the client named it. */
  readonly model: string;
  /** The higher, the sooner. */
  readonly priority: number;
  /** Stands for the beginning of the prompt; unknown where the strategy does not look at it. */
  readonly chain: PromptChain;
  /** Tokens that the answer may have at most; 0 where that is not said. */
  readonly answerTokens: number;
  /** Stands for the conversation that it belongs to; 0 where that is not said. */
  readonly session: number;
  /** The data-parallel rank that the client names; null where it does not. */
  readonly rank: number | null;
}

/** An instance as a strategy sees it. Weights are above zero; a warming instance has less than its own. */
export interface Candidate extends Place {
  readonly weight: number;
  readonly inFlight: number;
  /** Memory of the strategy for this model at this instance, shared by all workers; 0 at first. */
  turn: number;
  /** Number of its last pick for this model; the lower, the longer ago. */
  lastPick: number;
}

/**
 * Picks one of `candidates` (at least one) for `ask`. Runs under the pool's lock, so that turns are exact
 * across workers; it must not wait for anything.
 */
export type Strategy = <C extends Candidate>(
  candidates: readonly C[],
  ask: Ask,
) => C;

/** Notes that `picked` has had its turn: it goes to the end of the line. */
export function took<C extends Candidate>(picked: C, candidates: readonly C[]): C {
  let latest = 0;
  for (const candidate of candidates) {
    if (candidate.lastPick > latest) latest = candidate.lastPick;
  }
  picked.lastPick = latest + 1;
  return picked;
}

// What a router decides from, and what it decided: numbers of the places, the costs there, the one that is
// picked and why.

import type { Cost, Standing } from "./standings.ts";

/** An instance that may be picked. */
export interface Place {
  /** Its place in the shared memory. */
  readonly slot: number;
  /** A number that stands for its address, the same in every gateway. */
  readonly address: number;
  /** Above zero; less while it warms up. */
  readonly weight: number;
  /** How warm it is after a recovery, 0 to 1. */
  readonly warmth: number;
  /** Requests of this gateway under way there. */
  readonly inFlight: number;
  /** Number of its last pick for the model; the lower, the longer ago. */
  readonly lastPick: number;
}

/**
 * prefix: it has a part of the prompt. home: nobody is known to have it, and this is where every gateway
 * sends it. session: it had the session's last request. cost: it costs least. bound: all have more than their
 * share. only: there was one.
 */
export type Reason = "prefix" | "home" | "session" | "cost" | "bound" | "only";

export interface Decision {
  /** Index among the places. */
  readonly index: number;
  readonly reason: Reason;
  /** About how many tokens the prompt has. */
  readonly tokens: number;
  /** How many of them each place is taken to hold. */
  readonly standings: readonly Standing[];
  readonly costs: readonly Cost[];
  /** Chunks that each place has by the index alone. */
  readonly chunks: Int32Array;
}

// What keeps the counters of all limits: the memory of one process (memory_counters.ts), or a server that several
// gateways share. Whoever admits requests knows this interface only.

import type { Scope } from "./scope.ts";

/** What a request takes from the counters of its scopes: of all of them, or of none. */
export interface Work {
  /**
   * What a server that several gateways share counts it by: no client can give it that, and a call that is
   * repeated counts once. Given by who asks there; null before.
   */
  sharedName: string | null;
  readonly scopes: readonly Scope[];
  readonly requests: number;
  /** Estimate of prompt and answer. */
  readonly tokens: number;
  /** Whether it counts as one at once until it is settled. */
  readonly slot: boolean;
}

/** A limit that is counted, by its option's name. */
export type CountedLimit = "requests_per_minute" | "tokens_per_minute" | "concurrency";

/** One bucket or count as it stands. */
export interface Level {
  readonly scope: Scope;
  readonly limit: CountedLimit;
  /** As the option says: a minute, or at once. */
  readonly allowed: number;
  /** What may be used now; never negative. */
  readonly left: number;
  /** Until it is as full as it gets, in milliseconds; 0 for concurrency. */
  readonly fullInMs: number;
}

/** Why a request has to wait, or cannot be taken at all. */
export interface Shortage extends Level {
  readonly needed: number;
  /** Until there is enough, in milliseconds; null where there will never be; for concurrency a guess. */
  readonly waitMs: number | null;
}

/** What a request holds until it is settled. */
export interface Reservation {
  readonly work: Work;
  /** What was left of each limit just after it. */
  readonly levels: readonly Level[];
  /** Whether these are the common counters, or this gateway's own since those cannot be reached. */
  readonly isLocal: boolean;
  /** Who settles it, whatever counters are in force by then. */
  readonly maker: Counters;
  /** Of the work's scopes those that there was no room to count; null where there was. */
  readonly uncounted?: readonly Scope[] | null;
}

export type Reserved =
  | { readonly kind: "reserved"; readonly reservation: Reservation }
  /** Nothing was taken; what holds it up longest stands first. */
  | {
    readonly kind: "short";
    readonly shortages: readonly Shortage[];
    /** How all limits of the scopes stand. */
    readonly levels: readonly Level[];
  }
  /** The counters cannot be reached, and the configuration says not to go on without: 503. */
  | { readonly kind: "closed" };

export interface Counters {
  /** At once where the counters are here. Never rejects. */
  reserve(work: Work): Reserved | Promise<Reserved>;
  /**
   * The end of a reservation: its slot is free, and what it used beside the estimate is taken or given
   * back; 0 gives all tokens back. Once for each. Never throws, waits for nobody.
   */
  settle(reservation: Reservation, tokens: number): void;
  /** How these stand, with nothing taken. */
  look(scopes: readonly Scope[]): readonly Level[] | Promise<readonly Level[]>;
  /** Full again, as if nothing had been used. */
  reset(scope: Scope): void | Promise<void>;
}

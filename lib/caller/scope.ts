// Whose counters a request passes: its key's, its group's, its model's.

import type { Budget, Rates } from "../config/access.ts";
import { hashOf } from "../pool/memory/hash_table.ts";

export type ScopeKind = "key" | "group" | "model";

export class Scope {
  /** What the counters are found by, over reloads and over gateways: `key web`. */
  readonly id: string;
  /** The same as a number, for tables in memory. */
  readonly hash: number;

  /** null where they are not limited. */
  readonly requests: BucketRule | null;
  readonly tokens: BucketRule | null;
  /** Whether anything of it is limited by counters. */
  readonly isCounted: boolean;
  /**
   * Whether its requests under way are counted. Every key's and group's are, with a limit or without: one
   * that a reload brings holds for those that run already.
   */
  readonly holdsSlots: boolean;

  constructor(
    readonly kind: ScopeKind,
    readonly name: string,
    readonly rates: Rates,
    readonly budgets: readonly Budget[],
  ) {
    this.id = `${kind} ${name}`;
    this.hash = hashOf(this.id);
    this.requests = ruleOf(rates, rates.requestsPerMinute);
    this.tokens = ruleOf(rates, rates.tokensPerMinute);
    this.isCounted = this.requests !== null || this.tokens !== null || rates.concurrency !== null;
    this.holdsSlots = kind !== "model" || rates.concurrency !== null;
  }
}

/** A bucket that fills all the time. */
export interface BucketRule {
  readonly perMinute: number;
  /** In which one request or token comes back. */
  readonly unitMs: number;
  /** In which an empty one is full. */
  readonly burstMs: number;
}

/** Milliseconds' worth of a bucket. At least one request or token fits, however short its burst is. */
export function burstMsOf({ burstS }: Rates, perMinute: number | null): number {
  return perMinute === null ? burstS * 1000 : Math.max(burstS * 1000, 60_000 / perMinute);
}

/** The most tokens that one request can ever get of `scopes`; Infinity where none limits them. */
export function mostTokensOf(scopes: readonly Scope[]): number {
  let most = Infinity;
  for (let at = 0; at < scopes.length; at++) {
    const { tokens } = scopes[at];
    if (tokens !== null) most = Math.min(most, Math.floor(tokens.burstMs / tokens.unitMs));
  }
  return most;
}

function ruleOf(rates: Rates, perMinute: number | null): BucketRule | null {
  if (perMinute === null) return null;
  return { perMinute, unitMs: 60_000 / perMinute, burstMs: burstMsOf(rates, perMinute) };
}

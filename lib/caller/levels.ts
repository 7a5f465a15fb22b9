// What a bucket's state means for its caller: how much is left, and how long until it is full. Where the
// state is kept is known to memory_counters.ts and shared/.

import type { Bucket } from "../pool/memory/limit_memory.ts";
import type { CountedLimit, Level } from "./counters.ts";
import { burstMsOf, type Scope } from "./scope.ts";

/** Nobody knows when a request ends; those who wait for one are told sooner. */
export const SLOT_GUESS_MS = 1000;

/** A bucket of which `usedMs` are used. */
export function bucketLevel(
  scope: Scope,
  bucket: Bucket,
  perMinute: number,
  usedMs: number,
): Level {
  const left = ((burstMsOf(scope.rates, perMinute) - usedMs) * perMinute) / 60_000;
  const limit = bucket === "requests" ? "requests_per_minute" : "tokens_per_minute";
  return levelOf(scope, limit, perMinute, Math.floor(left + 1e-6), usedMs);
}

export function levelOf(
  scope: Scope,
  limit: CountedLimit,
  allowed: number,
  left: number,
  fullInMs: number,
): Level {
  return { scope, limit, allowed, left: Math.max(0, left), fullInMs };
}

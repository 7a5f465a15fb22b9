// What a counter is called in memory, and how long it is needed there.

import { hashOf } from "../../pool/memory/hash_table.ts";
import { type Counter, counterText, kindOf } from "./row.ts";

const DAY_MS = 86_400_000;
/** Days for which counters of days and of months are kept when these are over: the clock may be set back, and lines of another process come late. */
export const DAYS_KEPT = 3;
export const MONTHS_KEPT = 70;

export interface CounterName {
  readonly name: string;
  /** Of the name: what it is found by in memory. */
  readonly hash: number;
  /** Milliseconds since 1970. */
  readonly keptUntil: number;
}

/** `now` is a moment of its period, or later. */
export function counterName(counter: Counter, now: number): CounterName {
  const kind = kindOf(counter.period);
  const keptUntil = kind === "total"
    ? Infinity
    : now + (kind === "day" ? DAYS_KEPT : MONTHS_KEPT) * DAY_MS;
  const name = counterText(counter);
  return { name, hash: hashOf(name), keptUntil };
}

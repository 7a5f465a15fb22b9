// Charges for the tests of usage.

import type { Charge } from "../../../lib/caller/usage/charge.ts";

/** 15 tokens for 0.1, at noon, unless said otherwise. */
export function charge(change: Partial<Charge> = {}): Charge {
  return {
    key: "web",
    group: null,
    model: "m",
    prompt: 10,
    cached: 4,
    completion: 5,
    cost: 0.1,
    estimated: false,
    outcome: "complete",
    atMs: NOON,
    ...change,
  };
}

export const NOON = Date.parse("2026-11-26T12:00:00Z");

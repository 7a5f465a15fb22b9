// Smooth weighted round robin (nginx's algorithm): weights 3 and 1 give a b a a, spread out, never a
// burst. Among equals the one whose last turn is longest ago comes first.

import { type Ask, type Candidate, took } from "./strategy.ts";

export function roundRobin<C extends Candidate>(candidates: readonly C[], _ask: Ask): C {
  let total = 0;
  let best: C | null = null;
  for (const candidate of candidates) {
    const weight = candidate.weight;
    total += weight;
    candidate.turn += weight;
    if (
      best === null || candidate.turn > best.turn ||
      (candidate.turn === best.turn && candidate.lastPick < best.lastPick)
    ) best = candidate;
  }
  best!.turn -= total;
  return took(best!, candidates);
}

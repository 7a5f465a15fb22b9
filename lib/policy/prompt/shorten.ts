// Which of the oldest turns go when a conversation is too long. Gone is a whole number of steps, so that a
// conversation that grows loses the same turns for many requests: the prompts keep a common beginning, and
// the instances find it in their caches. It depends on the request alone: every gateway cuts alike.

import { stepsOf, type Turn, turnsOf } from "./turns.ts";

export interface ShortenRules {
  /** Tokens that the whole prompt may have. */
  readonly limit: number;
  /** Share of the limit that a conversation is brought down to at the moment it is cut. */
  readonly downTo: number;
  /** Whether the last turn stays as a whole; else its oldest steps may go, its question never. */
  readonly keepLastTurn: boolean;
}

/** Tokens to take out of `total`. */
export function tokensToDrop(total: number, { limit, downTo }: ShortenRules): number {
  if (total <= limit) return 0;
  const step = Math.max(1, Math.floor(limit * (1 - downTo)));
  return Math.ceil((total - limit) / step) * step;
}

/**
 * Indices of the elements that go, oldest first, until `drop` tokens are gone or nothing more may go. `sizes`
 * are the tokens of each element. Empty where nothing may go.
 */
export function elementsToDrop(
  items: readonly unknown[],
  sizes: readonly number[],
  drop: number,
  { keepLastTurn }: ShortenRules,
): number[] {
  const { turns } = turnsOf(items);
  const last = turns.at(-1);
  if (last === undefined || drop <= 0) return [];
  const units: Turn[] = turns.slice(0, -1);
  if (!keepLastTurn) units.push(...stepsOf(items, last).slice(0, -1));
  const gone: number[] = [];
  let dropped = 0;
  for (const unit of units) {
    if (dropped >= drop) break;
    for (const at of unit.items) {
      gone.push(at);
      dropped += sizes[at];
    }
  }
  return gone;
}

const GRID = 1.05;

/**
 * A ratio of tokens to bytes on a coarse grid. It is learned, and moves a little with every answer: a
 * place to cut that moved along would spoil the prefix.
 */
export function steadyRatio(ratio: number): number {
  return GRID ** Math.round(Math.log(ratio) / Math.log(GRID));
}

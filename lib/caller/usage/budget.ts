// Budgets held against what was used: what is left, which is used up, and when it begins anew.

import type { Budget } from "../../config/access.ts";
import type { Amount } from "./amount.ts";

/** One budget as it stands; a figure is null where the budget does not speak of it. */
export interface BudgetLevel {
  readonly budget: Budget;
  /** "2026-11-26", "2026-11" or "total". */
  readonly period: string;
  readonly usedTokens: number;
  readonly usedCost: number;
  /** Never negative. */
  readonly leftTokens: number | null;
  readonly leftCost: number | null;
  /** Of the figure that is used up first: 1 where it is used up, more where it was overdrawn. */
  readonly usedRatio: number;
  readonly isExhausted: boolean;
  /** When it begins anew; null for never. */
  readonly resetsAt: Date | null;
}

/** All budgets of a key or group. */
export interface BudgetLevels {
  /** In the order of the configuration. */
  readonly levels: readonly BudgetLevel[];
  /** Of those used up the one that lasts longest. */
  readonly exhausted?: BudgetLevel;
}

export function levelOf(
  budget: Budget,
  period: string,
  used: Amount,
  resetsAt: Date | null,
): BudgetLevel {
  const { tokens, cost } = budget;
  const ratios = [
    tokens === null ? 0 : used.tokens / tokens,
    cost === null ? 0 : used.cost / cost,
  ];
  return {
    budget,
    period,
    usedTokens: used.tokens,
    usedCost: used.cost,
    leftTokens: tokens === null ? null : Math.max(0, tokens - used.tokens),
    leftCost: cost === null ? null : Math.max(0, Number((cost - used.cost).toFixed(9))),
    usedRatio: Math.max(0, ...ratios),
    isExhausted: (tokens !== null && used.tokens >= tokens) ||
      (cost !== null && used.reaches(cost)),
    resetsAt,
  };
}

export function levelsOf(levels: readonly BudgetLevel[]): BudgetLevels {
  const exhausted = levels.filter((one) => one.isExhausted).sort((a, b) => endOf(b) - endOf(a))[0];
  return exhausted === undefined ? { levels } : { levels, exhausted };
}

function endOf({ resetsAt }: BudgetLevel): number {
  return resetsAt === null ? Infinity : resetsAt.getTime();
}

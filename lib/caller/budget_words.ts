// Why a caller whose budget is used up gets nothing more, and when it begins anew.

import { Refusal } from "./refusal.ts";
import type { Scope } from "./scope.ts";
import type { BudgetLevel } from "./usage/budget.ts";

export function budgetRefusal(
  scope: Scope,
  { budget, period, resetsAt, leftTokens, leftCost }: BudgetLevel,
  timeZone: string,
  wallMs: number,
): Refusal {
  const who = scope.kind === "group" ? "Group" : "Key";
  const isCost = budget.cost !== null && leftCost === 0;
  const amount = isCost ? String(budget.cost) : `${budget.tokens} tokens`;
  const when = budget.period === "total" ? "" : ` for ${period}`;
  const anew = resetsAt === null
    ? ""
    : `; it begins anew on ${momentIn(timeZone, resetsAt)} ${timeZone}`;
  return new Refusal({
    status: 429,
    reason: `budget_${budget.period}`,
    message: `${who} \`${scope.name}\` has used its budget of ${amount}${when}${anew}.`,
    waitMs: resetsAt === null ? null : Math.max(1, resetsAt.getTime() - wallMs),
    shouldRetry: false,
    limit: (isCost ? budget.cost : budget.tokens) ?? undefined,
    remaining: (isCost ? leftCost : leftTokens) ?? undefined,
  });
}

/** `2026-12-01 00:00` */
function momentIn(timeZone: string, at: Date): string {
  return new Intl.DateTimeFormat("sv-SE", {
    timeZone,
    dateStyle: "short",
    timeStyle: "short",
  }).format(at);
}

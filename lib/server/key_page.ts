// GET /v1/key: what a caller may use, what it has left and what it has used.

import type { Level } from "../caller/counters.ts";
import type { Visit } from "../caller/visit.ts";
import type { Used } from "../caller/usage/charge.ts";

/** As JSON; costs are in the currency of `limits.prices`. */
export async function keyPage(visit: Visit) {
  const { caller } = visit;
  const { key, group } = caller;
  return {
    object: "key",
    name: key.name,
    group: group?.name ?? null,
    models: key.models.length === 0 ? ["*"] : key.models,
    routes: key.routes.length === 0 ? ["*"] : key.routes,
    priority: caller.priority(null),
    expires_at: key.expiresMs === null ? null : new Date(key.expiresMs).toISOString(),
    max_prompt_tokens: key.limits.maxPromptTokens,
    max_completion_tokens: key.limits.maxCompletionTokens,
    in_flight: visit.inFlight,
    limits: (await visit.look()).map(limitOf),
    budgets: visit.budgets.map(({ scope, level }) => ({
      scope: scope.kind,
      name: scope.name,
      period: level.period,
      tokens: level.budget.tokens,
      tokens_left: level.leftTokens,
      cost: level.budget.cost,
      cost_left: level.leftCost,
      resets_at: level.resetsAt?.toISOString() ?? null,
    })),
    usage: {
      day: usageOf(visit.used("day")),
      month: usageOf(visit.used("month")),
      total: usageOf(visit.used("total")),
    },
  };
}

function limitOf({ scope, limit, allowed, left, fullInMs }: Level) {
  return {
    scope: scope.kind,
    name: scope.name,
    limit,
    allowed,
    remaining: left,
    full_in_seconds: Math.ceil(fullInMs) / 1000,
  };
}

function usageOf({ requests, prompt, cached, completion, cost }: Used) {
  return {
    requests,
    prompt_tokens: prompt,
    cached_tokens: cached,
    completion_tokens: completion,
    cost,
  };
}

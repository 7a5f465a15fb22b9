// Makes what the dashboard's page of keys shows: from the callers of the configuration in force, those who
// came with tokens since the start, the ledger and the counters of limits.

import type { Access } from "../../caller/access.ts";
import type { Level } from "../../caller/counters.ts";
import type { Reception } from "../../caller/reception.ts";
import type { Scope } from "../../caller/scope.ts";
import type { BudgetLevel } from "../../caller/usage/budget.ts";
import type { Used } from "../../caller/usage/charge.ts";
import type { KeyConfig } from "../../config/access.ts";
import type {
  AccountView,
  BudgetView,
  KeysView,
  KeyView,
  TopUser,
  UsedView,
} from "../../dashboard/keys_view.ts";

/** Keys on one page, and groups. */
const SHOWN = 100;
const TOP = 5;

/** A name, and what it has used. */
interface User {
  readonly name: string;
  /** null for the bearer of a token. */
  readonly key: KeyConfig | null;
  readonly scopes: readonly Scope[];
  readonly day: Used;
  readonly month: Used;
}

export class DashboardKeys {
  constructor(
    private readonly reception: Reception,
    /** Names under which something was booked since the start. */
    private readonly booked: () => Iterable<string>,
    private readonly wallMs: () => number = Date.now,
  ) {}

  /** Those whose names have `query`; top users are of all. */
  async look(query: string): Promise<KeysView> {
    const { access } = this.reception;
    const time = new Date(this.wallMs()).toISOString();
    const none = { keyed: false, priced: false, found: 0, keys: [], groups: [] };
    if (access === null) return { time, ...none, top: { day: [], month: [] } };
    const users = this.#users(access);
    const found = users.filter(({ name }) => name.toLowerCase().includes(query.toLowerCase()));
    const shown = mostFirst(found, "month").slice(0, SHOWN);
    const groups = Object.values(access.config.groups).slice(0, SHOWN)
      .flatMap(({ name }) => access.scope("group", name) ?? []);
    const levels = await this.reception.limits.counters.look([
      ...shown.flatMap(({ scopes }) => scopes),
      ...groups,
    ]);
    const inFlight = this.reception.inFlight();
    return {
      time,
      keyed: true,
      priced: Object.keys(access.config.prices).length > 0,
      found: found.length,
      keys: shown.map((user) => this.#keyView(user, levels, inFlight.get(user.name) ?? 0)),
      groups: groups.map((scope) =>
        this.#account("group", scope.name, [scope], levels, {
          day: this.#used("group", scope.name, "day"),
          month: this.#used("group", scope.name, "month"),
        })
      ),
      top: { day: topOf(users, "day"), month: topOf(users, "month") },
    };
  }

  #users({ callers }: Access): User[] {
    const users = new Map<string, User>();
    const add = (name: string, key: KeyConfig | null, scopes: readonly Scope[]) => {
      const [day, month] = [this.#used("key", name, "day"), this.#used("key", name, "month")];
      users.set(name, { name, key, scopes, day, month });
    };
    for (const { name, key, scopes } of callers) add(name, key, [scopes[0]]);
    for (const name of this.booked()) if (!users.has(name)) add(name, null, []);
    return [...users.values()];
  }

  #used(scope: "key" | "group", name: string, period: "day" | "month"): Used {
    return this.reception.ledger.used(scope, name, period);
  }

  #keyView(user: User, levels: readonly Level[], inFlight: number): KeyView {
    const { name, key, scopes } = user;
    return {
      ...this.#account("key", name, scopes, levels, user),
      group: key?.group ?? null,
      note: key?.note ?? "",
      state: key === null
        ? "token"
        : key.disabled !== false
        ? "disabled"
        : key.expiresMs !== null && key.expiresMs <= this.wallMs()
        ? "expired"
        : "active",
      expires_at: key === null || key.expiresMs === null
        ? null
        : new Date(key.expiresMs).toISOString(),
      in_flight: inFlight,
    };
  }

  #account(
    kind: "key" | "group",
    name: string,
    scopes: readonly Scope[],
    levels: readonly Level[],
    used: { day: Used; month: Used },
  ): AccountView {
    const budgets = scopes.flatMap((scope) =>
      this.reception.ledger.budgetOf(scope.budgets, kind, name).levels
    );
    return {
      name,
      limits: levels.filter(({ scope }) => scopes.includes(scope))
        .map(({ limit, allowed, left }) => ({ limit, allowed, remaining: left })),
      budgets: budgets.map(budgetView),
      day: usedView(used.day),
      month: usedView(used.month),
    };
  }
}

function mostFirst(users: readonly User[], period: "day" | "month"): User[] {
  return users.toSorted((a, b) =>
    b[period].cost - a[period].cost || b[period].tokens - a[period].tokens ||
    (a.name < b.name ? -1 : 1)
  );
}

function topOf(users: readonly User[], period: "day" | "month"): TopUser[] {
  const cost = users.reduce((sum, user) => sum + user[period].cost, 0);
  const tokens = users.reduce((sum, user) => sum + user[period].tokens, 0);
  const share = (used: Used) => cost > 0 ? used.cost / cost : used.tokens / Math.max(1, tokens);
  return mostFirst(users, period).slice(0, TOP)
    .filter((user) => user[period].requests > 0)
    .map(({ name, [period]: used }) => ({ name, used: usedView(used), share: share(used) }));
}

function usedView({ requests, tokens, cost }: Used): UsedView {
  return { requests, tokens, cost };
}

function budgetView(level: BudgetLevel): BudgetView {
  const { budget, usedTokens, usedCost, usedRatio, resetsAt } = level;
  return {
    ...budget,
    used_tokens: usedTokens,
    used_cost: usedCost,
    used_ratio: usedRatio,
    resets_at: resetsAt?.toISOString() ?? null,
  };
}

// What callers have used, or clients where there are no keys, as the process has it: follows the
// configuration, tells people of budgets that run out and of usage that cannot be written, and shows metrics
// what there is.

import type { Budget, CallersConfig, Period } from "../../config/access.ts";
import type { BudgetLevel } from "../../caller/usage/budget.ts";
import type { BudgetScope } from "../../caller/usage/charge.ts";
import { UsageKeeper } from "../../caller/usage/keeper.ts";
import type { Row } from "../../caller/usage/row.ts";
import type { UsageMemory } from "../../caller/usage/usage_memory.ts";
import { NOTHING_SPENT } from "../../caller/visit.ts";
import { logger } from "../../observe/log.ts";
import type { BudgetLook, UsageLook } from "../../observe/metrics/usage_look.ts";
import type { Report } from "../../observe/report.ts";
import type { Bulletin } from "../alerts/bulletin.ts";
import type { ReportReader } from "../finished_requests.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";

/** Share of a budget from which on people are told, before it is used up. */
const ALMOST = 0.8;
/** Budgets that people were told of; beyond, they may be told once more. */
const MAX_TOLD = 10_000;
const WRITING = "usage";

export class Accounts implements ReportReader, Reloadable {
  readonly #keeper: UsageKeeper;
  #callers: CallersConfig | null = null;
  #budgetsOfKeys: ReadonlyMap<string, readonly Budget[]> = new Map();
  #keepsClients = false;
  /** Budgets by name and period, and the highest share that people were told of. */
  readonly #told = new Map<string, number>();

  constructor(
    memory: UsageMemory,
    snapshots: Snapshots,
    private readonly bulletin: Bulletin,
    /** Requests under way, by key. */
    private readonly inFlight: () => ReadonlyMap<string, number>,
  ) {
    this.#keeper = new UsageKeeper(memory, {
      torn: (path, bytes) =>
        logger.warning("{path}: the last line was cut off by a crash; {bytes} bytes dropped", {
          path,
          bytes,
        }),
      odd: (path, lines, first) =>
        logger.warning(
          "{path}:{first}: {lines} lines that are no usage are left out, from here on",
          {
            path,
            first,
            lines,
          },
        ),
      failed: (reason) => bulletin.raise("usage_failed", WRITING, reason),
      written: () => bulletin.end("usage_failed", WRITING, "usage is written again"),
      booked: (rows) => this.#watchBudgets(rows),
    });
    this.#follow(snapshots.current);
    snapshots.join(this);
  }

  apply(snapshot: Snapshot): void {
    this.#follow(snapshot);
    // What cannot be read is told where it fails.
    void this.#keeper.restore();
  }

  /** Books what no key is charged for; what a key is, was booked where it was served. */
  request(report: Report): void {
    const { caller, client, route, model, outcome, spent, startedAtMs, durationMs } = report;
    // Where there are keys by now, a request may have been served by the configuration before.
    if (caller !== null || (this.#callers !== null && spent === null)) return;
    // A page that is not there, or not for this client, is no use of a model.
    if (route === "other" && outcome === "rejected") return;
    this.#keeper.book({
      client: this.#keepsClients ? client : "",
      model,
      outcome,
      spent: spent ?? NOTHING_SPENT,
      at: startedAtMs + durationMs,
    });
  }

  /** Takes over what was used before the start. */
  restore(): Promise<void> {
    return this.#keeper.restore();
  }

  /** What metrics show; null where nobody has a key. */
  look(): UsageLook | null {
    const callers = this.#callers;
    if (callers === null) return null;
    this.#keeper.gather();
    const { keys, estimated } = this.#keeper.seen;
    const budgets: BudgetLook[] = [];
    for (const { name, budgets: own } of callers.keys) {
      budgets.push(...this.#look("key", name, own));
    }
    for (const { name, budgets: own } of Object.values(callers.groups)) {
      budgets.push(...this.#look("group", name, own));
    }
    return { keys, estimated, budgets, inFlight: this.inFlight() };
  }

  /** Names of keys, and of bearers of tokens, for which something was booked since the start. */
  booked(): Iterable<string> {
    this.#keeper.gather();
    return this.#keeper.seen.names();
  }

  /** A budget of now is as if nothing had been used. False where there is no such budget. */
  async forgive(scope: BudgetScope, name: string, period: Period): Promise<boolean> {
    if (!this.#budgets(scope, name).some((budget) => budget.period === period)) return false;
    await this.#keeper.forgive(scope, name, period);
    for (const told of this.#told.keys()) {
      if (told.startsWith(`${scope} ${name} `)) this.#told.delete(told);
    }
    return true;
  }

  /** Whether the sums in memory are those of this folder, as far as they were read. */
  areOf(dataDir: string): boolean {
    return this.#keeper.areOf(dataDir);
  }

  /** Writes the rest. */
  close(): Promise<void> {
    return this.#keeper.close();
  }

  #follow({ config: { callers, dataDir, timeZone, requests } }: Snapshot): void {
    this.#callers = callers;
    // Of keys of one name the first counts.
    const keys = callers?.keys.toReversed() ?? [];
    this.#budgetsOfKeys = new Map(keys.map(({ name, budgets }) => [name, budgets]));
    this.#keepsClients = requests.enabled;
    this.#keeper.apply({
      dataDir,
      timeZone,
      hasKeys: callers !== null,
      hasTotals: callers !== null && hasTotals(callers),
    });
  }

  #look(scope: BudgetScope, name: string, budgets: readonly Budget[]): BudgetLook[] {
    return this.#keeper.ledger.budgetOf(budgets, scope, name).levels.map((level) => ({
      scope,
      name,
      period: level.budget.period,
      usedRatio: level.usedRatio,
    }));
  }

  #watchBudgets(rows: readonly Row[]): void {
    for (const key of new Set(rows.map((row) => row.key))) {
      this.#watch("key", key, this.#budgets("key", key));
    }
    for (const group of new Set(rows.map((row) => row.group))) {
      this.#watch("group", group, this.#budgets("group", group));
    }
  }

  #budgets(scope: BudgetScope, name: string): readonly Budget[] {
    if (this.#callers === null) return [];
    const { groups, defaults } = this.#callers;
    if (scope === "group") return Object.hasOwn(groups, name) ? groups[name].budgets : [];
    return this.#budgetsOfKeys.get(name) ?? defaults.budgets;
  }

  #watch(scope: BudgetScope, name: string, budgets: readonly Budget[]): void {
    if (budgets.length === 0) return;
    for (const level of this.#keeper.ledger.budgetOf(budgets, scope, name).levels) {
      const share = level.isExhausted ? 1 : level.usedRatio >= ALMOST ? ALMOST : 0;
      const about = `${scope} ${name}`;
      const told = `${about} ${level.period}`;
      if (share <= (this.#told.get(told) ?? 0)) continue;
      if (this.#told.size >= MAX_TOLD) this.#told.clear();
      this.#told.set(told, share);
      const subject = `${about}, ${level.budget.period}${share === 1 ? ", used up" : ""}`;
      this.bulletin.raise("budget", subject, inWords(level, this.#callers!.timeZone));
    }
  }
}

function hasTotals({ keys, groups, defaults }: CallersConfig): boolean {
  return [...keys, ...Object.values(groups), defaults]
    .some(({ budgets }) => budgets.some(({ period }) => period === "total"));
}

function inWords(level: BudgetLevel, timeZone: string): string {
  const { budget: { tokens, cost }, usedTokens, usedCost, usedRatio, period, resetsAt } = level;
  const parts = [
    ...(tokens === null ? [] : [`${usedTokens} of ${tokens} tokens`]),
    ...(cost === null ? [] : [`${Number(usedCost.toFixed(2))} of ${cost}`]),
  ];
  const anew = resetsAt === null ? "" : `; it begins anew on ${localTime(resetsAt, timeZone)}`;
  const when = period === "total" ? "" : ` for ${period}`;
  return `${Math.floor(usedRatio * 100)} % of the budget${when} is used: ${
    parts.join(", ")
  }${anew}`;
}

/** "2026-12-01 00:00 Asia/Shanghai" */
function localTime(time: Date, timeZone: string): string {
  const text = time.toLocaleString("sv-SE", {
    timeZone,
    dateStyle: "short",
    timeStyle: "short",
  });
  return `${text} ${timeZone}`;
}

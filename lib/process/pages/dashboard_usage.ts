// What the dashboard shows of usage: from the files alone, as `keys usage` has it.

import { csv, figuresOf } from "../../caller/usage/csv.ts";
import { Periods } from "../../caller/usage/period.ts";
import { reportUsage, type UsageReport } from "../../caller/usage/report.ts";
import type { Turns } from "../../http/turns.ts";
import type { UsageQuery, UsageView } from "../../dashboard/usage_view.ts";
import type { Snapshots } from "../snapshots.ts";

/** Rows of one page; the CSV has all. */
const MAX_ROWS = 500;

export class DashboardUsage {
  constructor(private readonly snapshots: Snapshots) {}

  async view(query: UsageQuery, turns: Turns): Promise<UsageView> {
    const { callers, timeZone } = this.snapshots.config;
    const { rows, total } = await this.#report(query, turns);
    return {
      keyed: callers !== null,
      today: new Periods(timeZone).dayAt(Date.now()).name,
      by: query.by,
      rows: rows.slice(0, MAX_ROWS).map(({ values, amount }) => ({ values, ...figuresOf(amount) })),
      left_out: Math.max(0, rows.length - MAX_ROWS),
      total: figuresOf(total),
    };
  }

  async csv(query: UsageQuery, turns: Turns): Promise<string> {
    return csv(await this.#report(query, turns), query.by);
  }

  #report(
    { by, from, to, key, client, model }: UsageQuery,
    turns: Turns,
  ): Promise<UsageReport> {
    return reportUsage({
      dataDir: this.snapshots.config.dataDir,
      by,
      turns,
      ...from === "" ? {} : { from },
      ...to === "" ? {} : { to },
      where: (row) =>
        (key === "" || row.key === key) && (client === "" || row.client === client) &&
        (model === "" || row.model === model),
    });
  }
}

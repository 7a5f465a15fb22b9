// What was used, from the files alone: summed up by what one asks for. Works while gateways write them.

import type { Turns } from "../../http/turns.ts";
import { Amount } from "./amount.ts";
import { openToRead, usageMonths, usagePath } from "./files.ts";
import { readLines } from "./lines.ts";
import { monthOf } from "./period.ts";
import type { Row } from "./row.ts";

/** What usage can be told apart by. */
export const DIMENSIONS = ["key", "group", "client", "model", "day", "outcome"] as const;
export type Dimension = typeof DIMENSIONS[number];

export interface ReportOptions {
  readonly dataDir: string;
  readonly by: readonly Dimension[];
  /** First and last day; undefined for no bound. */
  readonly from?: string;
  readonly to?: string;
  /** Which rows count. */
  where(row: Row): boolean;
  /** Between which others are served; its own where nobody asks for others. */
  readonly turns?: Turns;
}

/** A sum, and the values that it is for, in the order of `by`. */
export interface ReportRow {
  readonly values: readonly string[];
  readonly amount: Amount;
}

export interface UsageReport {
  /** By days in their order, else what cost or used most stands first. */
  readonly rows: readonly ReportRow[];
  readonly total: Amount;
  /** Lines that say nothing, and are left out. */
  readonly odd: number;
  /** Path and line of the first one in each file that has some. */
  readonly oddAt: readonly string[];
}

/** Sums of whatever the usage files say; of nothing where there are none. Throws where one cannot be read. */
export async function reportUsage(options: ReportOptions): Promise<UsageReport> {
  const { dataDir, by, from = "", to = "9999-12-31", where, turns } = options;
  const sums = new Map<string, ReportRow>();
  const total = new Amount();
  let odd = 0;
  const oddAt: string[] = [];
  for (const month of await usageMonths(dataDir)) {
    if (month < monthOf(from) || month > monthOf(to)) continue;
    const path = usagePath(dataDir, month);
    const [opened, size] = await openToRead(path);
    using file = opened;
    const found = await readLines(file, 0, size, (line) => {
      if (line.kind !== "used") return;
      const { row, amount } = line;
      if (row.day < from || row.day > to || !where(row)) return;
      total.add(amount);
      const values = by.map((dimension) => row[dimension]);
      const name = JSON.stringify(values);
      const sum = sums.get(name);
      if (sum === undefined) sums.set(name, { values, amount });
      else sum.amount.add(amount);
    }, turns);
    odd += found.odd;
    if (found.firstOdd !== null) oddAt.push(`${path}:${found.firstOdd}`);
  }
  return { rows: sorted([...sums.values()], by), total, odd, oddAt };
}

function sorted(rows: ReportRow[], by: readonly Dimension[]): ReportRow[] {
  const day = by.indexOf("day");
  return rows.sort((a, b) =>
    (day < 0 ? 0 : compare(a.values[day], b.values[day])) ||
    b.amount.cost - a.amount.cost || b.amount.tokens - a.amount.tokens ||
    compare(a.values.join("\n"), b.values.join("\n"))
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

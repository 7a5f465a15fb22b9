// A report of usage as a table for a terminal, as CSV for a spreadsheet, or as JSON.

import { csv, FIGURES, figures, figuresOf } from "../../caller/usage/csv.ts";
import type { Dimension, UsageReport } from "../../caller/usage/report.ts";
import { printable } from "../printable.ts";

export const REPORT_FORMATS = { table, csv, json } as const;

export function writeReport(
  report: UsageReport,
  by: readonly Dimension[],
  format: keyof typeof REPORT_FORMATS,
): string {
  return REPORT_FORMATS[format](report, by);
}

function table({ rows, total }: UsageReport, by: readonly Dimension[]): string {
  if (rows.length === 0) return "nothing was used";
  const cells = [
    [...by, ...FIGURES].map((head) => head.toUpperCase()),
    ...rows.map(({ values, amount }) => [
      ...values.map((value) => value === "" ? "-" : printable(value)),
      ...figures(amount),
    ]),
    ["all", ...by.slice(1).map(() => ""), ...figures(total)],
  ];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  return cells.map((row) =>
    row.map((cell, column) =>
      column < by.length ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ").trimEnd()
  ).join("\n");
}

function json({ rows, total }: UsageReport, by: readonly Dimension[]): string {
  const usage = rows.map(({ values, amount }) => ({
    ...Object.fromEntries(by.map((dimension, index) => [dimension, values[index]])),
    ...figuresOf(amount),
  }));
  return JSON.stringify({ usage, total: figuresOf(total) }, null, 2);
}

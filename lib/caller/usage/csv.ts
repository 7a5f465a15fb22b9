// A report of usage as CSV for a spreadsheet, and its figures by their names.

import { Amount } from "./amount.ts";
import type { Dimension, UsageReport } from "./report.ts";

/** The figures of a sum, by their names. */
export function figuresOf(amount: Amount) {
  const { requests, prompt, cached, completion, tokens, estimated, cost } = amount;
  return { requests, prompt, cached, completion, tokens, estimated, cost: rounded(cost) };
}

export const FIGURES = Object.keys(figuresOf(new Amount()));

/** The same as texts. */
export function figures(amount: Amount): string[] {
  return Object.values(figuresOf(amount)).map(String);
}

/** Lines without the last one's end, as RFC 4180 has them. */
export function csv({ rows }: UsageReport, by: readonly Dimension[]): string {
  const lines = rows.map(({ values, amount }) => [...values, ...figures(amount)]);
  return [[...by, ...FIGURES], ...lines].map((line) => line.map(field).join(",")).join("\r\n");
}

/** RFC 4180; what a spreadsheet would take for a formula gets an apostrophe before it. */
function field(text: string): string {
  const isFormula = /^[=+@\t\r\n-]/.test(text) && !/^-[\d.]+(e[+-]?\d+)?$/.test(text);
  const safe = isFormula ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A sum of units and billionths, as short as it can be written. */
function rounded(cost: number): number {
  return Number(cost.toFixed(9));
}

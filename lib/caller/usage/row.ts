// What is written of usage: one line for each day, key, group, client, model and outcome with what was added
// to its sum, and lines that correct a counter. All lines of a kind have the same keys, none is null.

import type { Period } from "../../config/access.ts";
import { Amount } from "./amount.ts";
import type { BudgetScope } from "./charge.ts";
import { monthOf, TOTAL } from "./period.ts";

/** What a sum is kept for. */
export interface Row {
  /** As the gateway's time zone had it: "2026-11-26". */
  readonly day: string;
  /** Both "" without one. */
  readonly key: string;
  readonly group: string;
  /** Address of the client, or "others", where there are no keys; else "". */
  readonly client: string;
  readonly model: string;
  readonly outcome: string;
}

/** The counter of one key or group in one period. */
export interface Counter {
  readonly scope: BudgetScope;
  readonly name: string;
  /** "2026-11-26", "2026-11" or "total". */
  readonly period: string;
}

/** Longer names of models are cut: they are clients' words. */
const MAX_NAME = 200;

/** A row as one text, by which it is found: the same for the same row. */
export function textOf({ day, key, group, client, model, outcome }: Row): string {
  return JSON.stringify([day, key, group, client, model.slice(0, MAX_NAME), outcome]);
}

export function rowOf(text: string): Row {
  const [day, key, group, client, model, outcome] = JSON.parse(text);
  return { day, key, group, client, model, outcome };
}

/** A counter as one text: its name in memory. */
export function counterText({ scope, name, period }: Counter): string {
  return `${scope} ${period} ${name}`;
}

export function counterOf(text: string): Counter {
  const [scope, period] = text.split(" ", 2);
  const name = text.slice(scope.length + period.length + 2);
  return { scope: scope as BudgetScope, period, name };
}

/** The kind of period that a counter's is. */
export function kindOf(period: string): Period {
  return period === TOTAL ? "total" : period.length > 7 ? "day" : "month";
}

/** The counters that a row adds to; none where there is no key. */
export function countersOf({ day, key, group }: Pick<Row, "day" | "key" | "group">): Counter[] {
  const counters: Counter[] = [];
  if (key === "") return counters;
  const periods = [day, monthOf(day), TOTAL];
  for (const period of periods) counters.push({ scope: "key", name: key, period });
  if (group !== "") {
    for (const period of periods) counters.push({ scope: "group", name: group, period });
  }
  return counters;
}

/** What one line says. */
export type Line =
  | { readonly kind: "used"; readonly row: Row; readonly amount: Amount }
  /** Added to one counter and to nothing else: a budget that was forgiven. */
  | { readonly kind: "corrected"; readonly counter: Counter; readonly amount: Amount };

/** What a line says of a row or a counter, by its text. */
export function lineOf(text: string, amount: Amount): Line {
  return text.startsWith("[")
    ? { kind: "used", row: rowOf(text), amount }
    : { kind: "corrected", counter: counterOf(text), amount };
}

/** The line with its end. */
export function writeLine(line: Line): string {
  const { requests, prompt, cached, completion, estimated, cost } = line.amount;
  const figures = { requests, prompt, cached, completion, estimated, cost: rounded(cost) };
  const about = line.kind === "used" ? line.row : line.counter;
  return `${JSON.stringify({ ...about, ...figures })}\n`;
}

/** Without its end; null for what is none: written by others, or by a disk that lied. */
export function readLine(text: string): Line | null {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text);
  } catch {
    // Its reader counts it.
    return null;
  }
  if (fields === null || typeof fields !== "object") return null;
  const amount = readAmount(fields);
  if (amount === null) return null;
  // Lines of versions before this one name no client.
  const { day, key, group, client = "", model, outcome, scope, name, period } = fields;
  if (typeof scope === "string") {
    const isCounter = (scope === "key" || scope === "group") && typeof name === "string" &&
      isPeriod(period);
    return isCounter ? { kind: "corrected", counter: { scope, name, period }, amount } : null;
  }
  const isRow = isDay(day) && typeof key === "string" && typeof group === "string" &&
    typeof client === "string" && typeof model === "string" && typeof outcome === "string";
  return isRow && isUse(amount)
    ? { kind: "used", row: { day, key, group, client, model, outcome }, amount }
    : null;
}

function readAmount(fields: Record<string, unknown>): Amount | null {
  const { requests, prompt, cached, completion, estimated, cost } = fields;
  if (
    !isFigure(requests) || !isFigure(prompt) || !isFigure(cached) || !isFigure(completion) ||
    !isFigure(estimated) || !isFigure(cost)
  ) return null;
  const amount = new Amount();
  amount.requests = requests;
  amount.prompt = prompt;
  amount.cached = cached;
  amount.completion = completion;
  amount.estimated = estimated;
  return amount.pay(cost);
}

/** One that can be added up: JSON has `1e400`, which is read as infinite, and all sums would be. */
function isFigure(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

/** Nobody uses less than nothing; corrections alone take away. */
function isUse({ requests, prompt, cached, completion, estimated, units }: Amount): boolean {
  return Math.min(requests, prompt, cached, completion, estimated, units) >= 0;
}

const MONTH = "\\d{4}-(0[1-9]|1[0-2])";
const DAY = new RegExp(`^${MONTH}-(0[1-9]|[12]\\d|3[01])$`);
const PERIOD = new RegExp(`^${MONTH}(-(0[1-9]|[12]\\d|3[01]))?$`);

function isDay(value: unknown): value is string {
  return typeof value === "string" && DAY.test(value);
}

function isPeriod(value: unknown): value is string {
  return typeof value === "string" && (value === TOTAL || PERIOD.test(value));
}

/** A sum of units and billionths as the shortest number that is read as the same. */
function rounded(cost: number): number {
  return Number(cost.toFixed(9));
}

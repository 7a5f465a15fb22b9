// The policies of a configuration, a line each, in the order in which they look.

import type { PolicyConfig, PolicyOptions } from "../../config/policies.ts";
import { matches } from "../../config/names.ts";
import { printable } from "../printable.ts";

const ORDER: Readonly<Record<PolicyOptions["type"], number>> = {
  parameters: 0,
  rewrite: 0,
  system_prompt: 1,
  words: 2,
  patterns: 2,
  pii: 2,
  secrets: 2,
  context: 3,
  moderation: 4,
  webhook: 4,
  plugin: 4,
};

export interface Whose {
  readonly model?: string;
  readonly key?: string;
}

/** A table, its heading first. */
export function listed(configs: readonly PolicyConfig[], { model, key }: Whose): string[] {
  const own = configs.map(({ options }) => options)
    .filter((options) => isAmong(options.models, model) && isAmong(options.keys, key))
    .toSorted((a, b) => ORDER[a.type] - ORDER[b.type]);
  if (own.length === 0) return ["no policy applies"];
  return table([
    ["NAME", "TYPE", "LOOKS AT", "MODE", "DOES", "FOR"],
    ...own.map((options) => [
      options.name,
      options.type,
      "on" in options ? options.on : "prompt",
      options.mode,
      deed(options),
      whom(options),
    ]),
  ]);
}

/** Columns as wide as they need to be. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => printable(cell)));
  const widths = cells[0].map((_, at) => Math.max(...cells.map((row) => row[at].length)));
  return cells.map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd());
}

function deed(options: PolicyOptions): string {
  if ("action" in options) return options.action;
  if ("over" in options) return options.over;
  if ("place" in options) return options.place;
  return options.type === "rewrite" ? "rewrite" : "as it says";
}

function whom({ models, keys, groups, routes }: PolicyOptions): string {
  const lists = { models, keys, groups, routes };
  const named = Object.entries(lists).filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what} ${names.join(", ")}`);
  return named.length === 0 ? "all" : named.join("; ");
}

function isAmong(patterns: readonly string[], name: string | undefined): boolean {
  return name === undefined || patterns.length === 0 ||
    patterns.some((one) => matches(one, name));
}

// `keys list` and `keys show`: what keys there are, without the keys.

import { localIso } from "../../alert/local_time.ts";
import type { Budget, KeyConfig } from "../../config/access.ts";
import { type Command, command } from "../command/command.ts";
import { toggle } from "../command/flag.ts";
import { configFlag, readOrSay } from "../config_file.ts";
import { printable } from "../printable.ts";
import { nameIn } from "./change.ts";

const CONFIG = configFlag("configuration whose keys are shown");

export const list: Command = command({
  name: "keys list",
  summary: "lists the keys, without the keys",
  flags: { config: CONFIG, json: toggle("print them as one JSON list") },
  examples: ["simple-ai-gateway keys list", "simple-ai-gateway keys list --json | jq '.[].name'"],
}, async ({ values }) => {
  const loaded = await readOrSay(values.config);
  if (loaded === null) return 1;
  const keys = loaded.config.callers?.keys ?? [];
  if (values.json) {
    console.log(JSON.stringify(keys.map(shown), null, 2));
    return 0;
  }
  if (keys.length === 0) {
    console.error(
      "there are no keys: anyone may ask. `simple-ai-gateway keys create NAME` makes one",
    );
    return 0;
  }
  const rows = keys.map((key) => [
    key.name,
    key.group ?? "-",
    stateOf(key, Date.now()),
    limitsOf(key),
    key.models.join(",") || "all",
    key.note,
  ]);
  const cells = [["NAME", "GROUP", "STATE", "LIMITS", "MODELS", "NOTE"], ...rows]
    .map((row) => row.map((cell) => printable(cell)));
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  for (const row of cells) {
    console.log(row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
  }
  return 0;
});

export const show: Command = command({
  name: "keys show",
  summary: "shows what one key may do, as JSON",
  flags: { config: CONFIG },
  operands: { placeholder: "NAME" },
  examples: ["simple-ai-gateway keys show web"],
}, async ({ values, operands }) => {
  const name = nameIn(operands);
  const loaded = await readOrSay(values.config);
  if (loaded === null) return 1;
  const key = loaded.config.callers?.keys.find((one) => one.name === name);
  if (key === undefined) {
    console.error(`no key is named \`${name}\``);
    return 1;
  }
  console.log(JSON.stringify(shown(key), null, 2));
  return 0;
});

/** By the options' own names; of hashes their number alone. */
function shown(key: KeyConfig) {
  const { limits } = key;
  return {
    name: key.name,
    state: stateOf(key, Date.now()),
    group: key.group,
    keys: key.hashes.length,
    models: key.models,
    routes: key.routes,
    allow_addresses: key.allowAddresses,
    priority: key.priority,
    record: key.record,
    expires: key.expiresMs === null ? null : new Date(key.expiresMs).toISOString(),
    requests_per_minute: limits.requestsPerMinute,
    tokens_per_minute: limits.tokensPerMinute,
    concurrency: limits.concurrency,
    max_prompt_tokens: limits.maxPromptTokens,
    max_completion_tokens: limits.maxCompletionTokens,
    over: key.over,
    budget: key.budgets,
    note: key.note,
  };
}

function stateOf({ disabled, expiresMs }: KeyConfig, nowMs: number): string {
  if (disabled !== false) return "disabled";
  if (expiresMs === null) return "open";
  const date = localIso(new Date(expiresMs)).slice(0, 10);
  return expiresMs <= nowMs ? `expired ${date}` : `until ${date}`;
}

function limitsOf({ limits, budgets }: KeyConfig): string {
  const parts = [
    limits.requestsPerMinute === null ? "" : `${limits.requestsPerMinute} rpm`,
    limits.tokensPerMinute === null ? "" : `${limits.tokensPerMinute} tpm`,
    limits.concurrency === null ? "" : `${limits.concurrency} at once`,
    ...budgets.map(budgetText),
  ].filter((part) => part !== "");
  return parts.join(", ") || "none";
}

function budgetText({ period, tokens, cost }: Budget): string {
  const amounts = [cost === null ? "" : String(cost), tokens === null ? "" : `${tokens} tokens`];
  return `${amounts.filter((one) => one !== "").join(" and ")}/${period}`;
}

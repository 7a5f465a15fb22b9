// `keys usage`: who used how much, keys or, where there are none, clients, from the files of usage. The gateway need not run, and may.

import type { Dimension } from "../../caller/usage/report.ts";
import { command } from "../command/command.ts";
import { optional, repeated, withDefault } from "../command/flag.ts";
import { expected, type Kind, oneOf, path, text } from "../command/kind.ts";
import { UsageError } from "../command/read.ts";
import { CONFIG_FILE, configFlag, isThere, readOrSay } from "../config_file.ts";
import { isReadable } from "../data_dir.ts";
import { amount } from "../amount.ts";

const BY = [
  "key",
  "group",
  "client",
  "model",
  "day",
  "outcome",
] as const satisfies readonly Dimension[];
const FORMATS = ["table", "csv", "json"] as const;

const PERIOD: Kind<string> = {
  placeholder: "PERIOD",
  words: ["day", "month", "total"],
  read(given) {
    if (/^(day|month|total|\d{4}-(0[1-9]|1[0-2]))$/.test(given) || isDay(given)) return given;
    throw expected("day, month, total, a month (2026-11) or a day (2026-11-26)", given);
  },
};

const DAY: Kind<string> = {
  placeholder: "DAY",
  read(given) {
    if (isDay(given)) return given;
    throw expected("a day such as 2026-11-26", given);
  },
};

export const usage = command({
  name: "keys usage",
  summary: "shows what keys have used, or clients where there are no keys",
  about:
    `Requests, tokens and cost of keys, or of clients by their addresses where there are no keys, from
the files in data_dir/usage/. What happened in the last second may be missing.`,
  flags: {
    config: configFlag("configuration, for data_dir and limits.time_zone"),
    "data-dir": optional(path("DIR"), "read DIR/usage instead, without a configuration"),
    by: repeated(
      oneOf("WHAT", BY),
      "a line for each key, group, client, model, day or outcome; else for each key or client",
    ),
    period: withDefault(
      PERIOD,
      "month",
      "day (today), month (this one), total, or one such as 2026-11 or 2026-11-26",
    ),
    from: optional(DAY, "from this day on; beats --period"),
    to: optional(DAY, "to this day, included; beats --period"),
    key: repeated(text("NAME"), "only what this key used"),
    group: repeated(text("NAME"), "only what keys of this group used"),
    client: repeated(text("ADDRESS"), "only what this client used, where there are no keys"),
    model: repeated(text("NAME"), "only what was used of this model"),
    format: withDefault(oneOf("F", FORMATS), "table", "table, csv or json"),
  },
  details:
    `Tokens are those of prompt and answer; cached ones are among those of the prompt. ESTIMATED counts
requests whose tokens nobody told. What cost most stands first. Without keys the first 500 clients
of a day have lines of their own, and later ones that used 1 % of its tokens; the rest is \`others\`.`,
  examples: [
    "simple-ai-gateway keys usage",
    "simple-ai-gateway keys usage --by day --by model --key web",
    "simple-ai-gateway keys usage --by client --by day --client 10.0.0.7",
    "simple-ai-gateway keys usage --by group --period 2026-11 --format csv > november.csv",
    "simple-ai-gateway keys usage --from 2026-11-01 --to 2026-11-15 --format json",
  ],
}, async ({ values }) => {
  const place = await placeOf(values["data-dir"], values.config);
  if (place === null || !await isReadable(place.dataDir)) return 1;
  const [{ reportUsage }, { Periods }, { writeReport }] = await Promise.all([
    import("../../caller/usage/report.ts"),
    import("../../caller/usage/period.ts"),
    import("./usage_formats.ts"),
  ]);
  const { from, to } = values.from === undefined && values.to === undefined
    ? boundsOf(values.period, new Periods(place.timeZone).dayAt(Date.now()).name)
    : values;
  if (from !== undefined && to !== undefined && from > to) {
    throw new UsageError(`--from: expected a day before --to, got \`${from}\` and \`${to}\``);
  }
  const allows = (wanted: string[], value: string) => wanted.length === 0 || wanted.includes(value);
  const reportBy = (by: readonly Dimension[]) =>
    reportUsage({
      dataDir: place.dataDir,
      by,
      from,
      to,
      where: ({ key, group, client, model }) =>
        allows(values.key, key) && allows(values.group, group) && allows(values.client, client) &&
        allows(values.model, model),
    });
  let by: readonly Dimension[] = values.by.length === 0 ? ["key"] : [...new Set(values.by)];
  let report = await reportBy(by);
  const hasKeys = report.rows.some(({ values: [name] }) => name !== "");
  if (values.by.length === 0 && !hasKeys) report = await reportBy(by = ["client"]);
  console.log(writeReport(report, by, values.format));
  if (report.odd > 0) {
    const first = report.oddAt.join(", ");
    console.error(
      `left out, since they are no usage: ${amount(report.odd, "line")} (first: ${first})`,
    );
  }
  return 0;
});

/** Where usage stands, and in which zone days end; null after it was said what is wrong. */
async function placeOf(dataDir: string | undefined, config: string) {
  if (dataDir !== undefined) return { dataDir, timeZone: "UTC" };
  // A gateway that serves without a file writes there.
  if (config === CONFIG_FILE && !await isThere(config)) {
    return { dataDir: "./data", timeZone: "UTC" };
  }
  const loaded = await readOrSay(config);
  if (loaded === null) return null;
  const { dataDir: configured, timeZone } = loaded.config;
  return { dataDir: configured, timeZone };
}

/** Whether the calendar has it. */
function isDay(text: string): boolean {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : NaN;
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** First and last day of a period. */
function boundsOf(period: string, today: string): { from?: string; to?: string } {
  const said = period === "day" ? today : period === "month" ? today.slice(0, 7) : period;
  if (said === "total") return {};
  return said.length > 7 ? { from: said, to: said } : { from: `${said}-01`, to: `${said}-31` };
}

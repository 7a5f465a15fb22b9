// Flags of a key's limits, and the options that they become.

import { localIso } from "../../alert/local_time.ts";
import { optional, repeated, type Values } from "../command/flag.ts";
import { expected, type Kind, text, whole } from "../command/kind.ts";

const UNITS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `30m`, `24h`, `90d`, in milliseconds. */
export const SPAN: Kind<number> = {
  placeholder: "SPAN",
  read(given) {
    const [, amount, unit] = /^(\d{1,6})([mhd])$/.exec(given) ?? [];
    if (unit === undefined) throw expected("a span such as 30m, 24h or 90d", given);
    return Number(amount) * UNITS[unit];
  },
};

/** As the file has it, with its zone; a time without one is local, as everywhere on the command line. */
const MOMENT: Kind<string> = {
  placeholder: "WHEN",
  read(given) {
    if (/^\d{1,6}[mhd]$/.test(given)) return localIso(new Date(Date.now() + SPAN.read(given)));
    const [, day, rest] = /^(\d{4}-\d{2}-\d{2})([T ].+)?$/.exec(given) ?? [];
    // A bare date would be read as UTC.
    const time = Date.parse(day + (rest ?? "T00:00"));
    if (day === undefined || Number.isNaN(time)) {
      throw expected("a span such as 90d, or a date such as 2027-01-31 or 2027-01-31T18:00", given);
    }
    return localIso(new Date(time));
  },
};

type BudgetOptions = { period: string; cost?: number; tokens?: number };

const BUDGET: Kind<BudgetOptions> = {
  placeholder: "PERIOD=AMOUNT",
  read(given) {
    const [, period, amount, unit] = /^(day|month|total)=(\d+(?:\.\d+)?)(tokens)?$/.exec(given) ??
      [];
    if (period === undefined || Number(amount) === 0) {
      throw expected("one such as month=100 (cost) or day=500000tokens", given);
    }
    return unit === undefined
      ? { period, cost: Number(amount) }
      : { period, tokens: Number(amount) };
  },
};

export const LIMITS_FLAGS = {
  group: optional(text("NAME"), "group that it belongs to"),
  model: repeated(text("NAME"), "model that it may use, or the beginning of several (qwen*)"),
  expires: optional(
    MOMENT,
    "when it ends: after 90d, or at the beginning of 2027-01-31 (local time)",
  ),
  rpm: optional(whole("N", 1), "requests a minute"),
  tpm: optional(whole("N", 1), "tokens a minute"),
  concurrency: optional(whole("N", 1), "requests at once"),
  budget: repeated(BUDGET, "budget of a day, a month or in total: month=100, day=500000tokens"),
  note: optional(text("TEXT"), "for people"),
};

/** As a line of keys has them; what was not said is left out. */
export function optionsOf(values: Values<typeof LIMITS_FLAGS>): Record<string, unknown> {
  const { group, model, expires, rpm, tpm, concurrency, budget, note } = values;
  const all = {
    group,
    models: model.length === 0 ? undefined : model,
    expires,
    requests_per_minute: rpm,
    tokens_per_minute: tpm,
    concurrency,
    budget: budget.length === 0 ? undefined : budget.length === 1 ? budget[0] : budget,
    note,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** What is said of a key's end; nothing where it has none. */
export function endInWords({ expires }: Record<string, unknown>): string {
  return expires === undefined ? "" : ` It ends at ${expires}.`;
}

// The part of the dashboard's API that tells what was used: sums by what one asks for, as JSON or as CSV.

import type { AdminReply } from "../http/admin.ts";
import type { Turns } from "../http/turns.ts";
import { jsonReply, problem, reply } from "../http/admin_reply.ts";
import type { DashboardSource } from "./source.ts";
import { USAGE_BY, type UsageQuery } from "./usage_view.ts";

export async function usageReply(
  source: Pick<DashboardSource, "usage" | "usageCsv">,
  parameters: URLSearchParams,
  turns: Turns,
): Promise<AdminReply> {
  const query = queryIn(parameters);
  if (typeof query === "string") return problem(400, query);
  if (parameters.get("format") !== "csv") return jsonReply(200, await source.usage(query, turns));
  const name = ["usage", ...query.by, query.from, query.to].filter((part) => part !== "").join("-");
  const csv = `${await source.usageCsv(query, turns)}\r\n`;
  return reply(200, "text/csv; charset=utf-8", csv, [
    ["content-disposition", `attachment; filename="${name}.csv"`],
  ]);
}

/** A text says what is wrong. */
function queryIn(parameters: URLSearchParams): UsageQuery | string {
  const asked = (parameters.get("by") ?? "key").split(",");
  const by = USAGE_BY.filter((one) => asked.includes(one));
  if (by.length !== asked.length) return `by: expected some of ${USAGE_BY.join(", ")}`;
  const [from, to] = [parameters.get("from") ?? "", parameters.get("to") ?? ""];
  for (const day of [from, to]) {
    if (day !== "" && !/^\d{4}-\d\d-\d\d$/.test(day)) {
      return "from, to: expected a day as 2026-11-26";
    }
  }
  const named = (name: string) => parameters.get(name) ?? "";
  return { by, from, to, key: named("key"), client: named("client"), model: named("model") };
}

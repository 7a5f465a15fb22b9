// What the usage of this month is booked on, and no key is named: counters of a key stay behind when it is
// renamed, and its budgets begin anew.

import { Periods } from "../../caller/usage/period.ts";
import { reportUsage } from "../../caller/usage/report.ts";
import type { Config } from "../../config/config.ts";

/** One sentence each; none where nobody has a budget, or where tokens bring names of their own. */
export async function leftBehind({ callers, dataDir }: Config): Promise<string[]> {
  if (callers === null || callers.jwt !== null) return [];
  const named = new Set(callers.keys.map(({ name }) => name));
  if (!callers.keys.some(({ budgets }) => budgets.length > 0)) return [];
  const month = new Periods(callers.timeZone).nameOf("month", Date.now());
  try {
    const report = { dataDir, by: ["key"], from: `${month}-01`, where: () => true } as const;
    const { rows } = await reportUsage(report);
    return rows.map(({ values: [name] }) => name).filter((name) => !named.has(name)).map((name) =>
      `usage of ${month} is booked on \`${name}\`, which no key is named: one that was renamed begins anew`
    );
  } catch (error) {
    // A file is checked elsewhere, too, than where the gateway keeps its data.
    if (error instanceof Deno.errors.PermissionDenied) return [];
    throw error;
  }
}

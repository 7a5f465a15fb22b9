// Results as one table of Markdown: a line for each row and contender, medians over the runs.

import type { Row } from "./rows.ts";

/** One run of one row through one contender. */
export interface Result {
  contender: string;
  row: Row;
  /** CPU time of the process tree for each request or chunk, in µs. */
  cpuUs: number;
  /** Requests or chunks a second. */
  perSecond: number;
  /** From a request to its first chunk with text: p50, p99. */
  firstMs: readonly [number, number];
  /** From a chunk's sending to its coming: p50, p99. */
  delayMs: readonly [number, number];
  /** Resident, in MiB. */
  memory: { now: number; peak: number };
  /** CPU time of the load generator itself for each unit, in µs. */
  loadCpuUs: number;
  wrong: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function digits(value: number, places: number): string {
  return Number.isFinite(value) ? value.toFixed(places) : "–";
}

/** Ratios to nginx are taken run by run, since the machine's pace changes from one to the next. */
function ratioToNginx(results: readonly Result[], own: readonly Result[]): number {
  const nginx = results.filter((one) => one.contender === "nginx" && one.row === own[0].row);
  return median(own.map((one, run) => one.cpuUs / (nginx[run]?.cpuUs ?? NaN)));
}

export function table(results: readonly Result[]): string {
  const lines = [
    "| work | through | CPU µs each | × nginx | reach | each second | first chunk added, ms p50 / p99 | chunk delay added, ms p50 / p99 | RSS MiB now / peak |",
    "|---|---|---|---|---|---|---|---|---|",
  ];
  for (const row of new Set(results.map((result) => result.row))) {
    const ofRow = results.filter((result) => result.row === row);
    const direct = ofRow.filter((result) => result.contender === "direct");
    for (const name of new Set(ofRow.map((result) => result.contender))) {
      const own = ofRow.filter((result) => result.contender === name);
      const added = (pick: (result: Result) => number) =>
        row.chunks === 0 || name === "direct"
          ? "–"
          : digits(median(own.map((one, run) => pick(one) - pick(direct[run]))), 2);
      const measured = name !== "direct";
      lines.push(`| ${
        [
          row.title,
          name,
          measured ? digits(median(own.map((one) => one.cpuUs)), 1) : "–",
          measured ? digits(ratioToNginx(results, own), 2) : "–",
          name === "gateway" && row.reach !== null ? `≤ ${row.reach}` : "",
          digits(median(own.map((one) => one.perSecond)), 0),
          `${added((one) => one.firstMs[0])} / ${added((one) => one.firstMs[1])}`,
          `${added((one) => one.delayMs[0])} / ${added((one) => one.delayMs[1])}`,
          measured
            ? `${digits(own.at(-1)!.memory.now, 0)} / ${digits(own.at(-1)!.memory.peak, 0)}`
            : "–",
        ].join(" | ")
      } |`);
    }
  }
  return lines.join("\n");
}

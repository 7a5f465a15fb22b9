// What was measured beside the peers as Markdown: one table for each kind of load, and how far each reach of
// the gateway is met.

import type { Row } from "../rows.ts";
import { median, type Result } from "../table.ts";

/** What is aimed at: a figure of the gateway as a multiple of a peer's, or as a number of its own. */
export interface Reach {
  row: string;
  what: "CPU" | "chunk delay p99" | "first chunk p99" | "RSS";
  /** Null for a figure of its own. */
  beside: string | null;
  atMost: number;
}

export const REACHES: readonly Reach[] = [
  { row: "json-64", what: "CPU", beside: "vllm-router", atMost: 0.8 },
  { row: "sse-200", what: "CPU", beside: "vllm-router", atMost: 1.15 },
  { row: "sse-1000", what: "CPU", beside: "vllm-router", atMost: 1.0 },
  { row: "sse-unpaced", what: "CPU", beside: "vllm-router", atMost: 1.0 },
  { row: "sse-1000", what: "chunk delay p99", beside: "envoy", atMost: 1.0 },
  { row: "sse-1000", what: "first chunk p99", beside: "envoy", atMost: 1.0 },
  { row: "sse-1000", what: "RSS", beside: null, atMost: 150 },
];

const FIGURES: Record<Reach["what"], (result: Result) => number> = {
  "CPU": (result) => result.cpuUs,
  "chunk delay p99": (result) => result.delayMs[1],
  "first chunk p99": (result) => result.firstMs[1],
  "RSS": (result) => result.memory.now,
};

function digits(value: number, places: number): string {
  return Number.isFinite(value) ? value.toFixed(places) : "–";
}

/** `median (least to most)`, the spread left out where there is one run. */
function spread(values: readonly number[], places: number): string {
  const known = values.filter(Number.isFinite);
  if (known.length === 0) return "–";
  const middle = digits(median(known), places);
  if (known.length === 1) return middle;
  return `${middle} (${digits(Math.min(...known), places)} to ${
    digits(Math.max(...known), places)
  })`;
}

function ofRow(results: readonly Result[], row: string, name: string): Result[] {
  return results.filter((one) => one.row.name === row && one.contender === name);
}

/** Lines of a table for `row`: what each contender cost, and what it added to the instance's own time. */
function rowTable(results: readonly Result[], row: Row): string[] {
  const unit = row.chunks > 0 ? "chunk" : "request";
  const first = row.chunks > 0 ? "first chunk" : "answer";
  const direct = ofRow(results, row.name, "direct");
  const lines = [
    `### ${row.title}`,
    "",
    `| through | CPU µs a ${unit} | × vllm-router | ${unit}s a second | ${first} added, ms p50 / p99 | chunk delay added, ms p50 / p99 | RSS MiB |`,
    "|---|---|---|---|---|---|---|",
  ];
  const names = new Set(
    results.filter((one) => one.row.name === row.name && one.contender !== "direct")
      .map((one) => one.contender),
  );
  const router = ofRow(results, row.name, "vllm-router");
  for (const name of names) {
    const own = ofRow(results, row.name, name);
    const added = (pick: (result: Result) => number) =>
      digits(median(own.map((one, run) => pick(one) - pick(direct[run]))), 2);
    const ratios = own.map((one, run) => one.cpuUs / (router[run]?.cpuUs ?? NaN));
    lines.push(`| ${
      [
        name,
        spread(own.map((one) => one.cpuUs), 1),
        digits(median(ratios), 2),
        digits(median(own.map((one) => one.perSecond)), 0),
        `${added((one) => one.firstMs[0])} / ${added((one) => one.firstMs[1])}`,
        row.chunks === 0
          ? "–"
          : `${added((one) => one.delayMs[0])} / ${added((one) => one.delayMs[1])}`,
        digits(median(own.map((one) => one.memory.now)), 0),
      ].join(" | ")
    } |`);
  }
  return lines;
}

/** One line of `reach`: met, or missed by how much; null where it was not measured. */
export function verdict(results: readonly Result[], reach: Reach): string | null {
  const own = ofRow(results, reach.row, "gateway");
  if (own.length === 0) return null;
  const figure = FIGURES[reach.what];
  const beside = reach.beside === null ? null : ofRow(results, reach.row, reach.beside);
  if (beside !== null && beside.length === 0) return null;
  // Run by run, since the machine's pace changes from one to the next.
  const values = own.map((one, run) =>
    beside === null ? figure(one) : figure(one) / figure(beside[run])
  );
  const value = median(values);
  const outcome = value <= reach.atMost
    ? "met"
    : `missed by ${((value / reach.atMost - 1) * 100).toFixed(0)} %`;
  const [unit, places] = reach.beside === null ? ["MiB", 0] : [`× ${reach.beside}`, 2];
  const name = own[0].row.title;
  return `| ${name} | ${reach.what} | ≤ ${reach.atMost} ${unit} | ${
    spread(values, places)
  } | ${outcome} |`;
}

export function peersTable(results: readonly Result[]): string {
  const lines: string[] = [];
  for (const row of new Set(results.map((result) => result.row))) {
    lines.push(...rowTable(results, row), "");
  }
  const reaches = REACHES.flatMap((reach) => verdict(results, reach) ?? []);
  if (reaches.length > 0) {
    lines.push(
      "### What the gateway aims at",
      "",
      "| work | what | reach | measured | |",
      "|---|---|---|---|---|",
    );
    lines.push(...reaches);
  }
  return lines.join("\n").trimEnd();
}

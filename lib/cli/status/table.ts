// The snapshot of a fleet as a table for a terminal.

import type { FleetSnapshot, InstanceView } from "../../dashboard/source.ts";
import { printable } from "../printable.ts";

const HEADS = ["INSTANCE", "STATE", "IN FLIGHT", "REQ/S", "TOK/S", "TTFT P50", "P99"]
  .concat("REQUESTS", "ERRORS", "MODELS");
/** Columns of texts; the others are numbers and stand right. */
const TEXTS = new Set([0, 1, HEADS.length - 1]);
const COLOURS: Readonly<Record<string, number>> = {
  healthy: 32,
  slow_start: 33,
  busy: 33,
  half_open: 33,
  ejected: 31,
  down: 31,
  hung: 31,
  misconfigured: 31,
  shutting_down: 33,
  asleep: 90,
  draining: 90,
};

/** The snapshot as lines of text; `colours` marks the states. */
export function table(snapshot: FleetSnapshot, colours: boolean): string {
  const { totals, instances } = snapshot;
  const rows = [
    ...instances.map(rowOf),
    [
      "all",
      snapshot.status,
      String(totals.in_flight),
      fixed(totals.requests_per_second),
      fixed(totals.tokens_per_second),
      millis(totals.ttft_p50_ms),
      millis(totals.ttft_p99_ms),
      String(totals.requests),
      String(totals.errors),
      "",
    ],
  ];
  const widths = HEADS.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column].length))
  );
  const line = (row: string[]) =>
    row.map((cell, column) =>
      TEXTS.has(column) ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    );
  const body = rows.map((row, index) => {
    const cells = line(row);
    const colour = COLOURS[instances[index]?.state ?? ""];
    if (colours && colour !== undefined) cells[1] = `\x1b[${colour}m${cells[1]}\x1b[0m`;
    return cells.join("  ").trimEnd();
  });
  const { version, uptime_seconds, workers, strategy, waiting, records } = snapshot;
  const isolates = workers === 1 ? "1 isolate" : `${workers} isolates`;
  return [
    `simple-ai-gateway ${version}, up ${duration(uptime_seconds)}, ${isolates}, ${strategy}; ` +
    `${waiting} waiting; records: ${records.written} written, ${records.dropped} dropped`,
    "",
    line(HEADS).join("  ").trimEnd(),
    ...body,
  ].join("\n");
}

function rowOf(one: InstanceView): string[] {
  const limit = one.max_concurrency === null ? "" : `/${one.max_concurrency}`;
  return [
    one.name,
    one.drained ? "drained" : one.state,
    `${one.in_flight}${limit}`,
    fixed(one.requests_per_second),
    fixed(one.tokens_per_second),
    millis(one.ttft_p50_ms),
    millis(one.ttft_p99_ms),
    String(one.requests),
    String(one.errors),
    printable(one.models.join(",")) + (one.fallback ? " (fallback)" : ""),
  ];
}

function fixed(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function millis(value: number | null): string {
  if (value === null) return "-";
  return value < 1000 ? `${Math.round(value)}ms` : `${(value / 1000).toFixed(1)}s`;
}

function duration(seconds: number): string {
  const s = Math.floor(seconds);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h${Math.floor(s % 3600 / 60)}m`;
  return `${Math.floor(s / 86_400)}d${Math.floor(s % 86_400 / 3600)}h`;
}

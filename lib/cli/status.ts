// `status`: what a running gateway's instances do, as a table, as JSON, or as a table that is kept up.

import { parseArgs } from "node:util";
import { printable } from "./printable.ts";
import type { FleetSnapshot, InstanceView } from "../dashboard/source.ts";

export const summary = "shows the instances of a running gateway";
export const help = `simple-ai-gateway status [options]

Options:
  --url URL      address of the gateway (default http://127.0.0.1:9999)
  --token TOKEN  admin.token of its configuration; needed from other hosts. ADMIN_TOKEN in the
                 environment is taken where this is missing
  --json         everything there is to know, as one JSON object
  --watch        show it again every second, until Ctrl-C

Exits with 0 when some instance can serve, 2 when none can, 1 when the gateway does not answer.

Examples:
  simple-ai-gateway status
  simple-ai-gateway status --watch
  simple-ai-gateway status --json | jq '.instances[] | select(.state != "healthy") | .name'`;

const WATCH_MS = 1000;
const TIMEOUT_MS = 5000;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      url: { type: "string", default: "http://127.0.0.1:9999" },
      token: { type: "string" },
      json: { type: "boolean", default: false },
      watch: { type: "boolean", default: false },
    },
    strict: true,
  });
  if (!URL.canParse(values.url) || !/^https?:$/.test(new URL(values.url).protocol)) {
    console.error(`--url: expected one such as http://127.0.0.1:9999, got \`${values.url}\``);
    return 2;
  }
  const token = values.token ?? Deno.env.get("ADMIN_TOKEN");
  const terminal = Deno.stdout.isTerminal();
  const look = () => read(values.url, token);
  const show = (snapshot: FleetSnapshot) =>
    values.json ? JSON.stringify(snapshot) : table(snapshot, terminal && !Deno.noColor);
  if (!values.watch) {
    try {
      const snapshot = await look();
      console.log(values.json ? JSON.stringify(snapshot, null, 2) : show(snapshot));
      return snapshot.status === "unavailable" ? 2 : 0;
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      return 1;
    }
  }
  return await watch(look, show, terminal && !values.json);
}

/** Throws an Error with what to do about it. */
async function read(url: string, token: string | undefined): Promise<FleetSnapshot> {
  const base = url.replace(/\/+$/, "").replace(/\/v1$/, "");
  let response: Response;
  try {
    response = await fetch(`${base}/dashboard/api/fleet`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? cause.message : message;
    throw new Error(`no gateway answers at ${base}: ${reason}`);
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${base} answered ${response.status}: ${messageIn(text)}`);
  const { history: _, ...snapshot } = JSON.parse(text);
  return snapshot;
}

function messageIn(text: string): string {
  try {
    return JSON.parse(text).error.message;
  } catch {
    // Some other server's error.
    return text.slice(0, 200);
  }
}

/** Resolves to the exit code after Ctrl-C. A gateway that is away is waited for. */
async function watch(
  look: () => Promise<FleetSnapshot>,
  show: (snapshot: FleetSnapshot) => string,
  repaint: boolean,
): Promise<number> {
  let stopped = false;
  let wake: () => void = () => {};
  const stop = () => {
    stopped = true;
    wake();
  };
  Deno.addSignalListener("SIGINT", stop);
  try {
    while (!stopped) {
      let text: string;
      try {
        text = show(await look());
      } catch (error) {
        text = error instanceof Error ? error.message : String(error);
      }
      // Home, the text with each line's rest cleared, then everything below.
      console.log(
        repaint
          ? `\x1b[H${text.split("\n").map((line) => `${line}\x1b[K`).join("\n")}\x1b[J`
          : text,
      );
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, WATCH_MS);
      });
    }
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
  return 0;
}

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

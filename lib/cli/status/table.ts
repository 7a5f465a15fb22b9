// The snapshot of a fleet as a table for a terminal.

import { localIso } from "../../alert/local_time.ts";
import type { Level, Sentence } from "../../dashboard/outlook.ts";
import { wordsOf } from "../../dashboard/pages/words.js";
import { sentence } from "../../dashboard/pages/words_outlook.js";
import type {
  DiscoveryView,
  FleetSnapshot,
  GatewayView,
  InstanceView,
} from "../../dashboard/source.ts";
import { printable } from "../printable.ts";
import { amount } from "../amount.ts";

/** The pages' own words. */
const english = wordsOf("en");

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
      printable(snapshot.status),
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
    const state = instances[index]?.state ?? "";
    const colour = Object.hasOwn(COLOURS, state) ? COLOURS[state] : undefined;
    if (colours && colour !== undefined) cells[1] = `\x1b[${colour}m${cells[1]}\x1b[0m`;
    return cells.join("  ").trimEnd();
  });
  const { version, uptime_seconds, workers, strategy, waiting, records } = snapshot;
  const serving = amount(workers, "worker");
  return [
    `simple-ai-gateway ${printable(version)}, up ${duration(uptime_seconds)}, ${serving}, ` +
    `${
      printable(strategy)
    }; ${waiting} waiting; records: ${records.written} written, ${records.dropped} dropped` +
    turnedAwayWords(snapshot),
    "",
    ...outlookLines(snapshot, colours),
    "",
    line(HEADS).join("  ").trimEnd(),
    ...body,
    ...gatewayLines(snapshot.gateways),
    ...(snapshot.discovery.length === 0 ? [] : ["", ...snapshot.discovery.map(discoveryLine)]),
  ].join("\n");
}

/** Clients of whom nothing else tells; "" where there are none. */
function turnedAwayWords({ turned_away: turnedAway }: FleetSnapshot): string {
  // A gateway of an earlier version, while it is replaced.
  if (turnedAway === undefined) return "";
  const { open_files: files, per_address: perAddress } = turnedAway;
  const words = [
    ...(files > 0 ? [`${files} for want of file descriptors`] : []),
    ...(perAddress > 0 ? [`${perAddress} by max_connections_per_address`] : []),
  ];
  return words.length === 0 ? "" : `; clients turned away: ${words.join(", ")}`;
}

const LEVEL_COLOURS: Readonly<Record<Level, number>> = { good: 32, warning: 33, bad: 31 };
/** Things to do that are written out. */
const TO_DO = 20;

/** The whole in words: how strong it is, what clients feel, who is out and why, what to do. */
function outlookLines({ outlook, instances, time }: FleetSnapshot, colours: boolean): string[] {
  // A gateway of an earlier version, while it is replaced.
  if (outlook === undefined) return [];
  const say = (one: Sentence) => printable(sentence(english, one, localTime), " ");
  const { strength, clients, last_hour, todo } = outlook;
  const head = colours
    ? `\x1b[${LEVEL_COLOURS[strength.level]}m${say(strength)}\x1b[0m`
    : say(strength);
  const lines = [head, say(clients), ...(last_hour === null ? [] : [say(last_hour)])];
  if (todo.length === 0) return lines;
  lines.push("", "WHAT TO DO");
  for (const one of todo.slice(0, TO_DO)) {
    const about = instances.find(({ name }) => name === one.instance);
    if (about !== undefined) lines.push(`- ${printable(conditionOf(about, time), " ")}`);
    lines.push(about === undefined ? `- ${say(one)}` : `  ${say(one)}`);
  }
  if (todo.length > TO_DO) lines.push(`- and ${todo.length - TO_DO} more`);
  return lines;
}

/** `gpu-1: down for 5m: no answer to GET /health within 2 s` */
function conditionOf({ name, state, since, cause }: InstanceView, now: string): string {
  const word = english(`state_${state}`);
  if (since === null) return `${name}: ${word} since the gateway's start`;
  const seconds = Math.max(0, (Date.parse(now) - Date.parse(since)) / 1000);
  const why = cause === "" ? "" : `: ${cause}`;
  return `${name}: ${word} for ${duration(seconds)}, since ${localTime(since)}${why}`;
}

function localTime(iso: string): string {
  return localIso(new Date(iso)).slice(0, 19).replace("T", " ");
}

/** A table of the gateways in front of these instances, where there are others. */
function gatewayLines(gateways: readonly GatewayView[]): string[] {
  if (gateways.length === 0) return [];
  const rows = gateways.map((one) => [
    printable(one.name),
    printable(one.version),
    duration(one.uptime_seconds),
    String(one.in_flight),
    String(one.waiting),
    fixed(one.requests_per_second),
    fixed(one.tokens_per_second),
    String(one.requests),
    String(one.errors),
    `${one.age.toFixed(1)}s`,
  ]);
  const heads = ["GATEWAY", "VERSION", "UP", "IN FLIGHT", "WAITING", "REQ/S", "TOK/S"]
    .concat("REQUESTS", "ERRORS", "HEARD");
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column].length))
  );
  const line = (row: string[]) =>
    row.map((cell, column) =>
      column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ").trimEnd();
  return ["", line(heads), ...rows.map(line)];
}

/** `discovery dns vllm.internal: 3 instances since 10:02:11; no answer since 10:05:00: …` */
function discoveryLine({ name, instances, since, error, error_since }: DiscoveryView): string {
  const found = amount(instances, "instance");
  const from = since === null ? "" : ` since ${since}`;
  const failing = error_since === null ? "" : ` since ${error_since}`;
  const fault = error === null ? "" : `; no good answer${failing}: ${error}`;
  return printable(`discovery ${name}: ${found}${from}${fault}`);
}

function rowOf(one: InstanceView): string[] {
  const limit = one.max_concurrency === null ? "" : `/${one.max_concurrency}`;
  return [
    printable(one.name),
    one.drained ? "drained" : printable(one.state),
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

// Structured logs: operational messages through LogTape, and the one line of each request through a
// formatter of its own, since that one is on the path of every request.

import {
  configureSync,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type LogRecord,
  type Sink,
} from "@logtape/logtape";
import { LOG_LEVELS, type LogLevel } from "../config/log_level.ts";
import { IsoTime } from "./iso_time.ts";
import type { LineWriter } from "./line_writer.ts";
import type { Report, ReportedCaller } from "./report.ts";

export interface LogOptions {
  level: LogLevel;
  format: "text" | "json";
}

/** The program's logger; categories below it name the part that speaks. */
export const logger = getLogger(["gateway"]);

/** Logs of one process or worker. Configure again to change level or format while running. */
export class Logs {
  #options: LogOptions = { level: "info", format: "text" };
  #requests = true;
  #failures = true;
  readonly #time = new IsoTime();

  constructor(private readonly writer: LineWriter) {}

  configure(options: LogOptions): void {
    this.#options = options;
    const least = LOG_LEVELS.indexOf(options.level);
    this.#requests = least <= LOG_LEVELS.indexOf("info");
    this.#failures = least <= LOG_LEVELS.indexOf("warning");
    configureSync({
      reset: true,
      sinks: { stderr: this.#sink() },
      loggers: [
        { category: ["gateway"], lowestLevel: options.level, sinks: ["stderr"] },
        { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
      ],
    });
  }

  /** One line for one request: at level warning where its client got no whole answer, else info. */
  request(report: Report): void {
    const failed = report.outcome === "failed" || report.outcome === "truncated";
    if (failed ? !this.#failures : !this.#requests) return;
    const time = this.#time.text(Date.now());
    this.writer.line(
      this.#options.format === "json"
        ? jsonLine(time, failed, report)
        : textLine(time, failed, report),
    );
  }

  flush(): void {
    this.writer.flush();
  }

  #sink(): Sink {
    const format: (record: LogRecord) => string = this.#options.format === "json"
      ? getJsonLinesFormatter({ properties: "flatten", categorySeparator: "." })
      : Deno.stderr.isTerminal()
      ? getAnsiColorFormatter({ timestamp: "rfc3339" })
      : getTextFormatter({ timestamp: "rfc3339" });
    return (record) => this.writer.line(format(record).trimEnd());
  }
}

function jsonLine(time: string, failed: boolean, report: Report): string {
  return JSON.stringify({
    "@timestamp": time,
    level: failed ? "WARN" : "INFO",
    message: "request",
    logger: "gateway.request",
    id: report.id,
    method: report.method,
    path: report.path,
    model: report.model,
    instance: shown(report.instance),
    route: report.receipt === "" ? undefined : report.receipt,
    status: report.status,
    outcome: report.outcome,
    attempts: report.attempts.length,
    first_byte_ms: report.firstByteMs,
    duration_ms: report.durationMs,
    prompt_tokens: report.promptTokens,
    completion_tokens: report.completionTokens,
    key: report.caller === null ? undefined : report.caller.key,
    limited: report.caller === null ? undefined : report.caller.limited || undefined,
    policy: report.policies.length === 0 ? undefined : policyText(report.policies),
    error: report.error === "" ? undefined : report.error,
  });
}

/** Names of policies and what they did: never what they found. */
function policyText(policies: Report["policies"]): string {
  return [
    ...new Set(
      policies.map(({ name, action, mode }) =>
        `${name}=${mode === "audit" ? `${action}(audit)` : action}`
      ),
    ),
  ].join(",");
}

function textLine(time: string, failed: boolean, report: Report): string {
  const firstByte = report.firstByteMs === null ? "-" : report.firstByteMs;
  const tokens = report.completionTokens === null
    ? ""
    : ` tokens=${report.promptTokens ?? "-"}+${report.completionTokens}`;
  const error = report.error === "" ? "" : ` error=${quoted(report.error)}`;
  const route = report.receipt === "" ? "" : ` route=${report.receipt}`;
  const caller = report.caller === null ? "" : callerText(report.caller);
  const policy = report.policies.length === 0 ? "" : ` policy=${policyText(report.policies)}`;
  return `${time} [${failed ? "WRN" : "INF"}] request ${report.id} ${report.method} ${
    safe(report.path)
  } model=${safe(report.model)} instance=${
    shown(report.instance)
  } status=${report.status} ${report.outcome} attempts=${report.attempts.length} ` +
    `first_byte_ms=${firstByte} duration_ms=${report.durationMs}${tokens}${route}${caller}${policy}${error}`;
}

function callerText({ key, limited }: ReportedCaller): string {
  return ` key=${safe(key)}${limited === "" ? "" : ` limited=${limited}`}`;
}

/** No name is a dash: a line has its words in the same places whatever became of the request. */
function shown(name: string): string {
  return name === "" ? "-" : name;
}

/** Ends of lines, terminal codes, and what turns the direction of the text around it. */
// deno-lint-ignore no-control-regex -- exactly these are looked for
const UNFIT = /[\u0000-\u001f\u007f-\u009f\s\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A client's text may not break a line in two, carry terminal codes or show itself as another. */
function safe(text: string): string {
  if (text === "") return "-";
  return text.slice(0, 200).replace(UNFIT, "?");
}

/** The same of words, which have blanks between them. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(UNFIT, (one) => one === " " ? one : "?");
}

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
import type { RequestOutcome, TryOutcome } from "./tally.ts";

export interface LogOptions {
  level: LogLevel;
  format: "text" | "json";
}

/** The program's logger; categories below it name the part that speaks. */
export const logger = getLogger(["gateway"]);

/** The line of one request. Times are milliseconds, null where there was none. */
export interface RequestLine {
  id: string;
  method: string;
  path: string;
  model: string;
  instance: string;
  status: number;
  outcome: RequestOutcome;
  attempts: number;
  firstByteMs: number | null;
  durationMs: number;
  promptTokens: number | null;
  completionTokens: number | null;
  error: string;
  /** The path where it is a known one, else "other": one of few, fit for a label. */
  route: string;
  /** Whether the answer came as a stream of events. */
  streamed: boolean;
  /** Events of the stream that carried something; each a token, as a rule. */
  pieces: number;
  /** What became of each attempt; null for the usual one, which `instance` answered. */
  tries: readonly Try[] | null;
  /** How a stream that broke went on; empty but for those. */
  resumes: readonly { from: string; to: string; way: string }[];
}

/** One attempt on one instance. */
export interface Try {
  instance: string;
  outcome: TryOutcome;
}

/** Logs of one process or worker. Configure again to change level or format while running. */
export class Logs {
  #options: LogOptions = { level: "info", format: "text" };
  #requests = true;
  readonly #time = new IsoTime();

  constructor(private readonly writer: LineWriter) {}

  configure(options: LogOptions): void {
    this.#options = options;
    this.#requests = LOG_LEVELS.indexOf(options.level) <= LOG_LEVELS.indexOf("info");
    configureSync({
      reset: true,
      sinks: { stderr: this.#sink() },
      loggers: [
        { category: ["gateway"], lowestLevel: options.level, sinks: ["stderr"] },
        { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
      ],
    });
  }

  /** One line for one request, at level info. */
  request(line: RequestLine): void {
    if (!this.#requests) return;
    const time = this.#time.text(Date.now());
    this.writer.line(
      this.#options.format === "json" ? jsonLine(time, line) : textLine(time, line),
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

function jsonLine(time: string, line: RequestLine): string {
  return JSON.stringify({
    "@timestamp": time,
    level: "INFO",
    message: "request",
    logger: "gateway.request",
    id: line.id,
    method: line.method,
    path: line.path,
    model: line.model,
    instance: line.instance,
    status: line.status,
    outcome: line.outcome,
    attempts: line.attempts,
    first_byte_ms: line.firstByteMs,
    duration_ms: line.durationMs,
    prompt_tokens: line.promptTokens,
    completion_tokens: line.completionTokens,
    error: line.error === "" ? undefined : line.error,
  });
}

function textLine(time: string, line: RequestLine): string {
  const firstByte = line.firstByteMs === null ? "-" : line.firstByteMs;
  const tokens = line.completionTokens === null
    ? ""
    : ` tokens=${line.promptTokens ?? "-"}+${line.completionTokens}`;
  const error = line.error === "" ? "" : ` error=${JSON.stringify(line.error)}`;
  return `${time} [INF] request ${line.id} ${line.method} ${safe(line.path)} model=${
    safe(line.model)
  } instance=${line.instance} status=${line.status} ${line.outcome} attempts=${line.attempts} ` +
    `first_byte_ms=${firstByte} duration_ms=${line.durationMs}${tokens}${error}`;
}

/** A client's text may not break a line in two or carry terminal codes. */
function safe(text: string): string {
  if (text === "") return "-";
  // deno-lint-ignore no-control-regex -- exactly these are looked for
  if (text.length <= 200 && !/[\u0000-\u001f\u007f-\u009f\s]/.test(text)) return text;
  // deno-lint-ignore no-control-regex -- and replaced
  return text.slice(0, 200).replace(/[\u0000-\u001f\u007f-\u009f\s]/g, "?");
}

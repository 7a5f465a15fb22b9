// Minutes on the disk: a file a day, a line a minute; read back as curves of an hour, a day or a week.

import { join } from "node:path";
import { Turns } from "../http/turns.ts";
import { appendPrivately } from "./line_file.ts";
import { readLines } from "./packed_file.ts";
import { type Field, FIELDS, type Row } from "./minutes.ts";

/** Below the data folder. */
export const HISTORY_FOLDER = "history";
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** Days that are kept: a week, whatever hour it is. */
const KEPT_DAYS = 8;

/** One line. */
export interface MinuteLine {
  /** Minutes since 1970. */
  readonly t: number;
  readonly s: Readonly<Record<string, Row>>;
  /** What happened in it. */
  readonly e?: readonly string[];
}

/** How far back, and how long a point is, in minutes. */
export const RANGES = {
  "1h": { minutes: 60, step: 1 },
  "24h": { minutes: 1440, step: 10 },
  "7d": { minutes: 10_080, step: 60 },
} as const;
export type Range = keyof typeof RANGES;

/** null where there was none. Sums are per second, gauges and percentiles the highest of the point. */
export interface Curves {
  readonly range: Range;
  readonly step_seconds: number;
  /** Seconds since 1970: the begin of each point. */
  readonly times: readonly number[];
  readonly curves: Readonly<Record<Field, readonly (number | null)[]>>;
  readonly marks: readonly { readonly time: number; readonly text: string }[];
}

const SUMS: ReadonlySet<Field> = new Set(["requests", "failed", "tokens"]);

/** `YYYYMMDD`, in UTC: a day has one file wherever the clock stands. */
function dayName(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll("-", "");
}

function dayFile(dataDir: string, ms: number): string {
  return join(dataDir, HISTORY_FOLDER, `${dayName(ms)}.jsonl`);
}

/** Rejects where the line cannot be written; nothing of it is in the file then. */
export async function writeMinute(dataDir: string, line: MinuteLine): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  await appendPrivately(dayFile(dataDir, line.t * MINUTE_MS), bytes);
}

/** Takes away the days that are too old at `minute`: of the time that ages are told by (age_clock.ts). */
export async function forgetDays(dataDir: string, minute: number): Promise<void> {
  const folder = join(dataDir, HISTORY_FOLDER);
  const oldest = `${dayName((minute - KEPT_DAYS * 1440) * MINUTE_MS)}.jsonl`;
  for await (const { name } of Deno.readDir(folder)) {
    if (!/^\d{8}\.jsonl$/.test(name) || name >= oldest) continue;
    try {
      await Deno.remove(join(folder, name));
    } catch (error) {
      // Another gateway, which takes over, was there before.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** The curves of `subject`: "" for all, `m:MODEL`, `i:INSTANCE`. */
export async function readCurves(
  dataDir: string,
  subject: string,
  range: Range,
  nowMs: number,
  turns = new Turns(),
): Promise<Curves> {
  const { minutes, step } = RANGES[range];
  const end = Math.floor(nowMs / MINUTE_MS / step) * step + step;
  const begin = end - minutes;
  const points = minutes / step;
  const curves = Object.fromEntries(
    FIELDS.map((field) => [field, new Array<number | null>(points).fill(null)]),
  ) as Record<Field, (number | null)[]>;
  const marks: { time: number; text: string }[] = [];
  for (let day = begin * MINUTE_MS; dayName(day) <= dayName(nowMs); day += DAY_MS) {
    for await (const { t, s, e } of linesIn(dayFile(dataDir, day), turns)) {
      if (t < begin || t >= end) continue;
      for (const text of e ?? []) marks.push({ time: t * 60, text });
      const row = s[subject];
      if (row === undefined) continue;
      const place = Math.floor((t - begin) / step);
      FIELDS.forEach((field, index) => {
        const value = row[index] ?? null;
        if (value === null) return;
        const curve = curves[field];
        const before = curve[place];
        if (SUMS.has(field)) curve[place] = (before ?? 0) + value / (step * 60);
        else curve[place] = Math.max(before ?? 0, value);
      });
    }
  }
  for (const field of SUMS) {
    curves[field] = curves[field].map((one) => one === null ? null : Math.round(one * 1000) / 1000);
  }
  return {
    range,
    step_seconds: step * 60,
    times: Array.from({ length: points }, (_, index) => (begin + index * step) * 60),
    curves,
    marks,
  };
}

async function* linesIn(path: string, turns: Turns): AsyncGenerator<MinuteLine> {
  let stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  try {
    stream = await readLines(path);
  } catch (error) {
    // No request came on that day, or the gateway was not there.
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    await turns.next();
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const parsed = lineIn(line);
      if (parsed !== null) yield parsed;
    }
  }
}

function lineIn(text: string): MinuteLine | null {
  try {
    const value = JSON.parse(text);
    return Number.isFinite(value?.t) && typeof value.s === "object" && value.s !== null
      ? value
      : null;
  } catch {
    // Half a line that a crash left.
    return null;
  }
}

// `logs`: recorded conversations as they are written, one line each, filtered.

import { parseArgs } from "node:util";
import { readConfig } from "../config/load.ts";
import { fileOf, hoursIn, type RecordFolder, summaryOf } from "../record/browse.ts";
import { printable } from "./printable.ts";
import { recordLines } from "../record/export/lines.ts";
import { metaIn } from "../record/meta_in.ts";
import { isObject, type Json, textOf } from "../sse/assemble/answer.ts";

export const summary = "shows and follows recorded conversations";
export const help = `simple-ai-gateway logs [options]

Shows what was recorded in the last hour, oldest first.

Options:
  --config FILE     take data_dir from this configuration (default config.jsonc, if it is there)
  --data-dir DIR    folder of the records; beats the configuration
  --follow          go on with what is written from now on, until Ctrl-C
  --model NAME      only this model; may be repeated
  --instance NAME   only answers of this instance; may be repeated
  --since TIME      from this time on: 10m, 2h, 3d, 2026-01-31 or 2026-01-31T12:00 (default 1h)
  --incomplete      answers that were cut, aborted or failed, too
  --errors          only those
  --json            the records as they are, one JSON object a line

Examples:
  simple-ai-gateway logs --follow --model deepseek-r1
  simple-ai-gateway logs --errors --since 1d
  simple-ai-gateway logs --json --since 2h --instance gpu-1 | jq '.meta | fromjson | .usage'`;

const POLL_MS = 200;

const options = {
  config: { type: "string" },
  "data-dir": { type: "string" },
  follow: { type: "boolean", default: false },
  model: { type: "string", multiple: true },
  instance: { type: "string", multiple: true },
  since: { type: "string", default: "1h" },
  incomplete: { type: "boolean", default: false },
  errors: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options, strict: true });
  const since = sinceOf(values.since, Date.now());
  if (since === null) {
    console.error(
      `--since: expected a time such as 10m, 2h, 2026-01-31 or 2026-01-31T12:00, got \`${values.since}\``,
    );
    return 2;
  }
  const dataDir = values["data-dir"] ?? await dataDirOf(values.config);
  if (dataDir === null) return 1;
  const folders: RecordFolder[] = values.errors
    ? ["incomplete"]
    : values.incomplete
    ? ["requests_responses", "incomplete"]
    : ["requests_responses"];
  const { model, instance } = values;
  const wanted = (record: Json) =>
    beganAt(record) >= since &&
    (model === undefined || model.includes(textOf(record.model))) &&
    (instance === undefined || instance.includes(instanceOf(record)));
  const write = (record: Json) =>
    console.log(values.json ? JSON.stringify(record) : lineOf(record));

  // Where the following begins is fixed before the past is read: nothing is lost between the two.
  const tails = values.follow
    ? await Promise.all(folders.map((one) => Tail.atEnd(dataDir, one)))
    : [];
  for (const record of await past(dataDir, folders, since, tails, wanted)) write(record);
  if (values.follow) await follow(tails, (record) => wanted(record) && write(record));
  return 0;
}

/** null after a problem was said. */
async function dataDirOf(config: string | undefined): Promise<string | null> {
  const path = config ?? "config.jsonc";
  const loaded = await readConfig(path, (name) => Deno.env.get(name));
  if (loaded.ok) return loaded.config.dataDir;
  if (config === undefined && loaded.problems[0]?.message === "the file does not exist") {
    return "./data";
  }
  console.error(`${path} has problems; name the folder by --data-dir`);
  return null;
}

/** Milliseconds since 1970; null for what is no time. */
function sinceOf(text: string, now: number): number | null {
  const ago = /^(\d+)([smhd])$/.exec(text);
  if (ago !== null) {
    const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[ago[2]]!;
    return now - Number(ago[1]) * unit;
  }
  // A bare date would be read as UTC.
  const time = Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00` : text);
  return Number.isNaN(time) ? null : time;
}

/** What is there already, by the time it began. */
async function past(
  dataDir: string,
  folders: readonly RecordFolder[],
  since: number,
  tails: readonly Tail[],
  wanted: (record: Json) => boolean,
): Promise<Json[]> {
  const found: Json[] = [];
  const firstHour = hourOf(new Date(since));
  for (const folder of folders) {
    const tail = tails.find((one) => one.folder === folder);
    for (const hour of (await hoursIn(dataDir, folder)).reverse()) {
      if (hour < firstHour) continue;
      const end = tail?.endOf(hour);
      for await (const record of recordLines(fileOf(dataDir, folder, hour), end)) {
        if (record !== null && wanted(record)) found.push(record);
      }
    }
  }
  return found.sort((a, b) => beganAt(a) - beganAt(b));
}

function hourOf(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}_${
    two(date.getHours())
  }`;
}

/** Until Ctrl-C. */
async function follow(tails: readonly Tail[], take: (record: Json) => void): Promise<void> {
  let stopped = false;
  let wake: () => void = () => {};
  const stop = () => {
    stopped = true;
    wake();
  };
  Deno.addSignalListener("SIGINT", stop);
  try {
    while (!stopped) {
      for (const tail of tails) for (const record of await tail.read()) take(record);
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, POLL_MS);
      });
    }
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}

/** The growing end of a folder's files. */
class Tail {
  readonly #ends: Map<string, number>;

  private constructor(
    private readonly dataDir: string,
    readonly folder: RecordFolder,
    ends: Map<string, number>,
  ) {
    this.#ends = ends;
  }

  static async atEnd(dataDir: string, folder: RecordFolder): Promise<Tail> {
    const ends = new Map<string, number>();
    for (const hour of await hoursIn(dataDir, folder)) {
      ends.set(hour, await endOfLines(fileOf(dataDir, folder, hour)));
    }
    return new Tail(dataDir, folder, ends);
  }

  endOf(hour: string): number {
    return this.#ends.get(hour) ?? 0;
  }

  /** Whole lines that have been written since. */
  async read(): Promise<Json[]> {
    const records: Json[] = [];
    // A record is written to the hour that it ended in: only the newest files grow.
    for (const hour of (await hoursIn(this.dataDir, this.folder)).slice(0, 2).reverse()) {
      const path = fileOf(this.dataDir, this.folder, hour);
      const from = this.endOf(hour);
      const { size } = await Deno.stat(path);
      // Cut off or replaced: from its begin.
      const begin = size < from ? 0 : from;
      if (size === begin) continue;
      const bytes = await readRange(path, begin, size);
      const end = bytes.lastIndexOf(10) + 1;
      this.#ends.set(hour, begin + end);
      for (const line of new TextDecoder().decode(bytes.subarray(0, end)).split("\n")) {
        const record = parsed(line);
        if (record !== null) records.push(record);
      }
    }
    return records;
  }
}

const BLOCK = 64 * 1024;

/** Position after the last line feed. */
async function endOfLines(path: string): Promise<number> {
  for (let end = (await Deno.stat(path)).size; end > 0;) {
    const start = Math.max(0, end - BLOCK);
    const at = (await readRange(path, start, end)).lastIndexOf(10);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}

async function readRange(path: string, from: number, to: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(from, Deno.SeekMode.Start);
  const bytes = new Uint8Array(to - from);
  let filled = 0;
  while (filled < bytes.length) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function parsed(line: string): Json | null {
  try {
    const value = JSON.parse(line);
    return isObject(value) ? value : null;
  } catch {
    // Half a line that a crash left.
    return null;
  }
}

function beganAt(record: Json): number {
  const { time } = summaryOf(record, "");
  return time === null ? 0 : Date.parse(time);
}

function instanceOf(record: Json): string {
  return textOf(metaIn(record).instance);
}

/** One record on one line: when, who, how much, how it ended, what about. */
function lineOf(record: Json): string {
  const one = summaryOf(record, "");
  const tokens = one.completion_tokens === null
    ? ""
    : ` ${one.prompt_tokens ?? "-"}+${one.completion_tokens} tokens`;
  const ms = one.duration_ms;
  const duration = ms === null
    ? ""
    : ms < 1000
    ? ` ${Math.round(ms)}ms`
    : ` ${(ms / 1000).toFixed(1)}s`;
  const ending = one.error === null ? one.finish_reason ?? "-" : `FAILED ${one.error}`;
  const time = one.time === null ? "-" : localTime(new Date(one.time));
  return printable(
    `${time} ${one.model} ${one.instance || "-"}${duration}${tokens} ${ending}: ` +
      `${cut(one.question)} -> ${cut(one.answer)}`,
    " ",
  );
}

function cut(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function localTime(date: Date): string {
  const hour = hourOf(date);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${hour.slice(0, 4)}-${hour.slice(4, 6)}-${hour.slice(6, 8)} ${hour.slice(9)}:${
    two(date.getMinutes())
  }:${two(date.getSeconds())}`;
}

// `export`: recorded files to a data set, line by line, so that their size does not matter.

import { parseArgs } from "node:util";
import { basename, join } from "node:path";
import { type ExportFormat, formats, isExportFormat } from "../record/export/formats.ts";
import { readFilter } from "../record/export/filter.ts";
import { recordLines } from "../record/export/lines.ts";
import type { Json } from "../sse/assemble/answer.ts";
import { type Progress, progress } from "./progress.ts";

export const summary = "turns recorded files into a data set";
export const help = `simple-ai-gateway export --format FORMAT [options] [files...]

Reads records and writes a data set to standard output. What was read, left out and written is said
on standard error.

Options:
  --format F            sharegpt (one JSON array), openai (messages, JSONL) or alpaca (one JSON array)
  --data-dir DIR        read DIR/requests_responses (default ./data); files beat it
  --output FILE         write here instead; an existing file is replaced when the new one is whole
  --model NAME          only answers of this model; may be repeated
  --since TIME          only answers that began at TIME or later: 2026-01-31 or 2026-01-31T12:00
  --until TIME          only answers that began before TIME
  --finish REASON       only answers that ended so (stop, length, tool_calls); may be repeated
  --min-turns N         only conversations of N turns or more, system prompts not counted
  --dedupe              leave out conversations that came before, word for word
  --include-incomplete  with --data-dir: cut, aborted and failed answers, too

Examples:
  simple-ai-gateway export --format sharegpt > train.json
  simple-ai-gateway export --format openai --model deepseek-r1 --finish stop --dedupe --output train.jsonl
  simple-ai-gateway export --format alpaca data/requests_responses/202601*.jsonl > alpaca.json`;

const options = {
  format: { type: "string" },
  "data-dir": { type: "string", default: "./data" },
  output: { type: "string" },
  model: { type: "string", multiple: true },
  since: { type: "string" },
  until: { type: "string" },
  finish: { type: "string", multiple: true },
  "min-turns": { type: "string" },
  dedupe: { type: "boolean", default: false },
  "include-incomplete": { type: "boolean", default: false },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const { format } = values;
  if (format === undefined || !isExportFormat(format)) {
    console.error(
      `--format: expected ${Object.keys(formats).join(", ")}, got ${
        format === undefined ? "nothing" : `\`${format}\``
      }`,
    );
    return 2;
  }
  const filter = readFilter(values);
  if (typeof filter === "string") {
    console.error(filter);
    return 2;
  }
  try {
    const files = positionals.length > 0
      ? positionals
      : await filesIn(values["data-dir"]!, values["include-incomplete"]!);
    const shown = progress(values.output === undefined ? 0 : await bytesOf(files));
    const sink = await openSink(values.output);
    let counts: Counts;
    try {
      counts = await convert(files, formats[format], filter, sink, shown);
    } catch (error) {
      await sink.abandon();
      throw error;
    } finally {
      shown.clear();
    }
    await sink.close();
    console.error(
      `${counts.written} of ${counts.read} lines written from ${files.length} files ` +
        `(${counts.left} filtered out, ${counts.torn} torn, ${counts.unfit} do not fit ${format})`,
    );
    return 0;
  } catch (error) {
    if (!isFileProblem(error)) throw error;
    console.error(error.message);
    return 1;
  }
}

interface Counts {
  read: number;
  /** Lines that are no record. */
  torn: number;
  /** Left out by the filter. */
  left: number;
  /** Records that the format cannot hold. */
  unfit: number;
  written: number;
}

async function convert(
  files: readonly string[],
  { opens, between, closes, make }: ExportFormat,
  filter: (record: Json) => boolean,
  sink: Sink,
  shown: Progress,
): Promise<Counts> {
  const counts = { read: 0, torn: 0, left: 0, unfit: 0, written: 0 };
  await sink.write(opens);
  let done = 0;
  const onRead = (bytes: number) => shown.show(done += bytes, `${counts.written} written`);
  for (const file of files) {
    for await (const record of recordLines(file, Infinity, onRead)) {
      counts.read++;
      if (record === null) {
        counts.torn++;
        continue;
      }
      if (!filter(record)) {
        counts.left++;
        continue;
      }
      const made = make(record);
      if (made === null) {
        counts.unfit++;
        continue;
      }
      await sink.write((counts.written++ > 0 ? between : "") + JSON.stringify(made));
    }
  }
  await sink.write(counts.written > 0 ? closes : closes.trimStart());
  return counts;
}

async function bytesOf(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => (await Deno.stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** What the user can put right: a file that is missing, forbidden or has no room. */
function isFileProblem(error: unknown): error is Error {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.IsADirectory || error instanceof Deno.errors.BrokenPipe ||
    (error instanceof Error && "code" in error);
}

/** The record files of a data folder, in the order of time. */
async function filesIn(dataDir: string, withIncomplete: boolean): Promise<string[]> {
  const folders = withIncomplete ? ["requests_responses", "incomplete"] : ["requests_responses"];
  const files: string[] = [];
  for (const folder of folders) {
    try {
      for await (const entry of Deno.readDir(join(dataDir, folder))) {
        if (entry.name.endsWith(".jsonl")) files.push(join(dataDir, folder, entry.name));
      }
    } catch (error) {
      // A folder for incomplete answers is there only when there were any.
      if (!(error instanceof Deno.errors.NotFound) || folder === "requests_responses") throw error;
    }
  }
  return files.sort((a, b) => basename(a) < basename(b) ? -1 : basename(a) > basename(b) ? 1 : 0);
}

interface Sink {
  write(text: string): Promise<void>;
  /** Everything was written: the file takes its name. */
  close(): Promise<void>;
  /** Nothing of a file stays. */
  abandon(): Promise<void>;
}

const SINK_CHARS = 256 * 1024;

/** Standard output, or a file that takes its name only when it is whole. */
async function openSink(output: string | undefined): Promise<Sink> {
  const encoder = new TextEncoder();
  const partial = output === undefined ? null : `${output}.partial`;
  const file = partial === null
    ? Deno.stdout
    : await Deno.open(partial, { write: true, create: true, truncate: true });
  let pending: string[] = [];
  let chars = 0;
  const flush = async () => {
    const bytes = encoder.encode(pending.join(""));
    pending = [];
    chars = 0;
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  };
  return {
    async write(text) {
      pending.push(text);
      chars += text.length;
      if (chars > SINK_CHARS) await flush();
    },
    async close() {
      await flush();
      if (partial === null || output === undefined) return;
      file.close();
      await Deno.rename(partial, output);
    },
    async abandon() {
      if (partial === null) return;
      file.close();
      await Deno.remove(partial);
    },
  };
}

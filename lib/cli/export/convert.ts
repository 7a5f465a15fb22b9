// Recorded files to a data set, line by line, so that their size does not matter.

import { basename, join } from "node:path";
import { type Counts, PASSES, writeDataSet } from "../../record/export/data_set.ts";
import type { FilterMaker } from "../../record/export/filter.ts";
import type { ExportFormat } from "../../record/export/formats.ts";
import { PACKED } from "../../observe/packed_file.ts";
import { progress } from "../progress.ts";
import { openSink } from "./sink.ts";
import { fileWords, isFileProblem } from "../file_words.ts";

export interface Asked {
  format: string;
  form: ExportFormat;
  /** None: all of `dataDir`. */
  files: readonly string[];
  dataDir: string;
  withIncomplete: boolean;
  /** undefined: standard output. */
  output: string | undefined;
  filter: FilterMaker;
}

/** Resolves to the exit code, once it was said what was read, left out and written. */
export async function exportTo(asked: Asked): Promise<number> {
  const { format, form, output, filter } = asked;
  try {
    const files = asked.files.length > 0
      ? asked.files
      : await filesIn(asked.dataDir, asked.withIncomplete);
    const shown = progress(output === undefined ? 0 : await bytesOf(files));
    const sink = await openSink(output);
    let counts: Counts;
    try {
      let done = 0;
      counts = await writeDataSet({
        files,
        format: form,
        filter,
        write: sink.write,
        onRead: (bytes, written) => shown.show(done += bytes / PASSES, `${written} written`),
      });
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
    // Whoever reads has enough, as `head` has.
    if (output === undefined && error instanceof Deno.errors.BrokenPipe) return 0;
    if (!isFileProblem(error)) throw error;
    console.error(fileWords(error));
    return 1;
  }
}

async function bytesOf(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => await sizeOf(file)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** On the disk, packed or not. */
async function sizeOf(file: string): Promise<number> {
  try {
    return (await Deno.stat(file)).size;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return (await Deno.stat(file + PACKED)).size;
  }
}

/** The record files of a data folder, in the order of time. */
async function filesIn(dataDir: string, withIncomplete: boolean): Promise<string[]> {
  const folders = withIncomplete ? ["requests_responses", "incomplete"] : ["requests_responses"];
  const names = new Set<string>();
  for (const folder of folders) {
    try {
      for await (const entry of Deno.readDir(join(dataDir, folder))) {
        if (entry.isFile && /\.jsonl(\.gz)?$/.test(entry.name)) {
          // The plain name: while a file is being packed there are both.
          names.add(join(dataDir, folder, entry.name.replace(/\.gz$/, "")));
        }
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      // A folder for incomplete answers is there only when there were any.
      if (folder === "requests_responses") {
        throw new Deno.errors.NotFound(
          `no records: there is no folder ${join(dataDir, folder)}; --data-dir names another`,
        );
      }
    }
  }
  return [...names].sort((a, b) =>
    basename(a) < basename(b) ? -1 : basename(a) > basename(b) ? 1 : 0
  );
}

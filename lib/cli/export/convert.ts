// Recorded files to a data set, line by line, so that their size does not matter.

import { join } from "node:path";
import { type Counts, PASSES, writeDataSet } from "../../record/export/data_set.ts";
import type { FilterMaker } from "../../record/export/filter.ts";
import type { ExportFormat } from "../../record/export/formats.ts";
import { progress } from "../progress.ts";
import { openSink } from "./sink.ts";
import { fileWords, isFileProblem } from "../../observe/file_words.ts";
import { inOrder, recordFiles, recordFilesIn, sizeOnDisk } from "../record_files.ts";
import { amount } from "../amount.ts";

export interface Asked {
  format: string;
  form: ExportFormat;
  /** Or folders of these. None: all of `dataDir`. */
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
      ? await recordFiles(asked.files)
      : await filesOf(asked.dataDir, asked.withIncomplete);
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
      `${counts.written} of ${amount(counts.read, "line")} written from ${
        amount(files.length, "file")
      } ` +
        `(${counts.left} filtered out, ${counts.torn} torn, ${counts.unfit} ${
          counts.unfit === 1 ? "does" : "do"
        } not fit ${format})`,
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
  const sizes = await Promise.all(files.map(sizeOnDisk));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The record files of a data folder, in the order of time. */
async function filesOf(dataDir: string, withIncomplete: boolean): Promise<string[]> {
  const folders = withIncomplete ? ["requests_responses", "incomplete"] : ["requests_responses"];
  const files: string[] = [];
  for (const folder of folders) {
    const path = join(dataDir, folder);
    try {
      files.push(...await recordFilesIn(path));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      // A folder for incomplete answers is there only when there were any.
      if (folder === "requests_responses") {
        throw new Deno.errors.NotFound(
          `no records: there is no folder ${path}; --data-dir names another`,
        );
      }
    }
  }
  return inOrder(files);
}

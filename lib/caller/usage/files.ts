// Where usage stands on disk: a file for each month.

import { join } from "node:path";

/** Folder of the files, below data_dir. */
export const USAGE_FOLDER = "usage";

/** The folder itself. */
export function usageFolder(dataDir: string): string {
  return join(dataDir, USAGE_FOLDER);
}

/** The file of a month ("2026-11"). */
export function usagePath(dataDir: string, month: string): string {
  return join(usageFolder(dataDir), `${month.replace("-", "")}.jsonl`);
}

/** The file of a month for reading, and its size. Throws Error with its path where it is none. */
export async function openToRead(path: string): Promise<[file: Deno.FsFile, size: number]> {
  const file = await Deno.open(path);
  const { size, isFile } = await file.stat();
  if (isFile) return [file, size];
  file.close();
  throw new Error(`${path}: expected a file of usage, got a folder`);
}

/** Months that there are files of, in order. */
export async function usageMonths(dataDir: string): Promise<string[]> {
  const months: string[] = [];
  try {
    for await (const { name } of Deno.readDir(usageFolder(dataDir))) {
      const month = name.match(/^(\d{4})(\d\d)\.jsonl$/);
      if (month !== null) months.push(`${month[1]}-${month[2]}`);
    }
  } catch (error) {
    // Nothing was ever used here.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return months.sort();
}

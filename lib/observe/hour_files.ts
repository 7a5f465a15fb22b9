// Folders with a file for each hour: `YYYYMMDD_HH.jsonl`, in local time (hour_name.ts), packed or not.

import { join } from "node:path";

/** Hours that have a file in `folder`, or a symlink to one, the newest first; none where there is no such folder. */
export async function hoursOf(folder: string): Promise<string[]> {
  const hours = new Set<string>();
  try {
    for await (const { name, isFile, isSymlink } of Deno.readDir(folder)) {
      const hour = /^(\d{8}_\d{2})\.jsonl(?:\.gz)?$/.exec(name)?.[1];
      if ((isFile || isSymlink) && hour !== undefined) hours.add(hour);
    }
  } catch (error) {
    // Nothing was ever written here.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return [...hours].sort().reverse();
}

/** The plain name, whether it is packed or not (packed_file.ts). */
export function hourFile(folder: string, hour: string): string {
  return join(folder, `${hour}.jsonl`);
}

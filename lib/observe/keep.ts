// How long hourly files are kept: by age and by size, the oldest go first, never the hour that is being
// written.

import { join } from "node:path";
import { hourName } from "./hour_name.ts";

/** null for no limit. */
export interface Keep {
  readonly days: number | null;
  readonly bytes: number | null;
}

interface HourFile {
  readonly name: string;
  readonly hour: string;
  readonly bytes: number;
}

const DAY_MS = 86_400_000;

/**
 * Takes away what is older or more than `keep` allows; returns the names of the files that went. `ageNow`: the
 * time that ages are told by (age_clock.ts), where that is not `now`.
 */
export async function keepWithin(
  folder: string,
  keep: Keep,
  now: Date,
  ageNow: Date = now,
): Promise<string[]> {
  if (keep.days === null && keep.bytes === null) return [];
  const files = await hourFilesIn(folder);
  const oldest = keep.days === null
    ? ""
    : hourName(new Date(ageNow.getTime() - keep.days * DAY_MS));
  const current = hourName(now);
  let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const gone: string[] = [];
  for (const file of files) {
    const isOver = keep.bytes !== null && bytes > keep.bytes;
    if (file.hour >= current || !(file.hour < oldest || isOver)) continue;
    await Deno.remove(join(folder, file.name)).catch(mustBeGone);
    bytes -= file.bytes;
    gone.push(file.name);
  }
  return gone;
}

/** With whatever belongs to an hour beside its lines, the oldest first. */
async function hourFilesIn(folder: string): Promise<HourFile[]> {
  const files: HourFile[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      const hour = /^(\d{8}_\d{2})\./.exec(name)?.[1];
      if (!isFile || hour === undefined) continue;
      const { size } = await Deno.stat(join(folder, name));
      files.push({ name, hour, bytes: size });
    }
  } catch (error) {
    // No such folder yet, or a file that somebody moved away meanwhile.
    mustBeGone(error);
  }
  return files.sort((a, b) => a.name < b.name ? -1 : 1);
}

function mustBeGone(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

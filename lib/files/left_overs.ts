// Files that were to get another name, of processes that were killed before that.

import { join } from "node:path";

/** What is written for so long is finished by nobody. */
const LEFT_OVER_MS = 86_400_000;

/**
 * Removes those in `folder` whose name is as `names` has it, and that nobody has written to for a day. Throws why
 * the first of those stays that cannot be removed; it keeps none of the others.
 */
export async function removeLeftOvers(folder: string, names: RegExp): Promise<void> {
  const failed: unknown[] = [];
  for (const name of await namesIn(folder, names)) {
    const path = join(folder, name);
    try {
      const { mtime } = await Deno.stat(path);
      const isOld = mtime !== null && Date.now() - mtime.getTime() > LEFT_OVER_MS;
      if (isOld) await Deno.remove(path);
    } catch (error) {
      // Finished meanwhile, or removed by another process.
      if (!(error instanceof Deno.errors.NotFound)) failed.push(error);
    }
  }
  if (failed.length > 0) throw failed[0];
}

async function namesIn(folder: string, names: RegExp): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (isFile && names.test(name)) found.push(name);
    }
  } catch (error) {
    // Nothing was ever written here.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

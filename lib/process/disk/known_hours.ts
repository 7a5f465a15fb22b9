// The hours of which there is something on the disk: what a start knows of the time before it.

import { join } from "node:path";
import { hoursOf } from "../../observe/hour_files.ts";
import { hourBegin } from "../../observe/hour_name.ts";
import { recordFolders } from "../../record/erase.ts";
import { REQUESTS_FOLDER } from "../../requests/writer.ts";

/**
 * When each of them begins, in milliseconds since 1970. A folder that cannot be read tells none: that is told by those
 * who write into it, and is no reason not to start.
 */
export async function knownHours(dataDir: string): Promise<number[]> {
  const folders = [...recordFolders(dataDir), join(dataDir, REQUESTS_FOLDER)];
  const found = await Promise.allSettled(folders.map(hoursOf));
  const names = found.flatMap((one) => one.status === "fulfilled" ? one.value : []);
  return names.map((name) => hourBegin(name).getTime());
}

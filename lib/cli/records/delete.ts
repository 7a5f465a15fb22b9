// What `records delete` does: goes through the folders and says what went from each.

import { join } from "node:path";
import { forgetClient } from "../../caller/usage/forget.ts";
import { usageFolder } from "../../caller/usage/files.ts";
import { eraseFrom, type Erasure, type LineFacts, recordFolders } from "../../record/erase.ts";
import { recordFacts } from "../../record/line_facts.ts";
import { storyIn } from "../../requests/story.ts";
import { REQUESTS_FOLDER } from "../../requests/writer.ts";
import { amount } from "../amount.ts";

/** Resolves to the exit code. */
export async function deleteRecords(
  dataDir: string,
  erasure: Erasure,
  isTrial: boolean,
): Promise<number> {
  const folders: [string, (line: string) => LineFacts | null][] = [
    ...recordFolders(dataDir).map((folder) =>
      [folder, recordFacts] as [string, typeof recordFacts]
    ),
    [join(dataDir, REQUESTS_FOLDER), storyIn],
  ];
  const did = isTrial ? "would be deleted" : "deleted";
  for (const [folder, factsOf] of folders) {
    const options = { now: new Date(), isTrial };
    const { lines, files } = await eraseFrom(folder, erasure, factsOf, options);
    console.error(`${folder}: ${amount(lines, "line")} of ${amount(files, "file")} ${did}`);
  }
  const { client, key, before } = erasure;
  // Usage of a key names no client.
  if (client === undefined || key !== undefined) return 0;
  const day = before === undefined ? undefined : new Date(before).toISOString().slice(0, 10);
  const lines = await forgetClient(dataDir, { client, before: day }, isTrial);
  const named = isTrial ? "would be" : lines === 1 ? "is" : "are";
  console.error(
    `${usageFolder(dataDir)}: ${amount(lines, "line")} ${named} told as those of others`,
  );
  return 0;
}

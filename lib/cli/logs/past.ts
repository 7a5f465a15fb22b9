// The records that are there already.

import { fileOf, hoursIn, type RecordFolder, summaryOf } from "../../record/browse.ts";
import { recordLines } from "../../record/export/lines.ts";
import { hourName } from "../../observe/hour_name.ts";
import type { Json } from "../../json/json.ts";
import type { Tail } from "./tail.ts";

interface Waiting {
  readonly began: number;
  readonly line: string;
}

/**
 * Lines of what is there already, by the time it began; of a folder with a tail up to that. Only the lines of two
 * hours wait: a record stands in the hour in which its request ended, and few take longer than one.
 */
export async function* past(
  dataDir: string,
  folders: readonly RecordFolder[],
  since: number,
  tails: readonly Tail[],
  lineOf: (record: Json) => string | null,
): AsyncGenerator<string> {
  let waiting: Waiting[] = [];
  for (const [hour, inFolders] of await hoursSince(dataDir, folders, since)) {
    for (const folder of inFolders) {
      const end = tails.find((one) => one.folder === folder)?.endOf(hour);
      for await (const record of recordLines(fileOf(dataDir, folder, hour), end)) {
        const line = record === null ? null : lineOf(record);
        if (line !== null) waiting.push({ began: beganAt(record!), line });
      }
    }
    waiting.sort((a, b) => a.began - b.began);
    const later = waiting.findIndex(({ began }) => hourName(new Date(began)) >= hour);
    const due = later < 0 ? waiting : waiting.slice(0, later);
    waiting = later < 0 ? [] : waiting.slice(later);
    for (const { line } of due) yield line;
  }
  for (const { line } of waiting) yield line;
}

/** Hours from then on, the oldest first, with the folders that have a file of it. */
async function hoursSince(
  dataDir: string,
  folders: readonly RecordFolder[],
  since: number,
): Promise<[hour: string, folders: RecordFolder[]][]> {
  const first = hourName(new Date(since));
  const found = new Map<string, RecordFolder[]>();
  for (const folder of folders) {
    for (const hour of await hoursIn(dataDir, folder)) {
      if (hour >= first) found.set(hour, [...found.get(hour) ?? [], folder]);
    }
  }
  return [...found].sort(([a], [b]) => a < b ? -1 : 1);
}

/** Milliseconds since 1970; 0 where the record does not say. */
export function beganAt(record: Json): number {
  const { time } = summaryOf(record, "");
  return time === null ? 0 : Date.parse(time);
}

// The records that are there already.

import { fileOf, hoursIn, type RecordFolder, summaryOf } from "../../record/browse.ts";
import { recordLines } from "../../record/export/lines.ts";
import { hourName } from "../../observe/hour_name.ts";
import type { Json } from "../../json/json.ts";
import type { Tail } from "./tail.ts";

/** What is there already, by the time it began; of a folder with a tail up to that. */
export async function past(
  dataDir: string,
  folders: readonly RecordFolder[],
  since: number,
  tails: readonly Tail[],
  wanted: (record: Json) => boolean,
): Promise<Json[]> {
  const found: Json[] = [];
  const firstHour = hourName(new Date(since));
  for (const folder of folders) {
    const tail = tails.find((one) => one.folder === folder);
    for (const hour of (await hoursIn(dataDir, folder)).reverse()) {
      if (hour < firstHour) continue;
      const end = tail?.endOf(hour);
      for await (const record of recordLines(fileOf(dataDir, folder, hour), end)) {
        if (record !== null && wanted(record)) found.push(record);
      }
    }
  }
  return found.sort((a, b) => beganAt(a) - beganAt(b));
}

/** Milliseconds since 1970; 0 where the record does not say. */
export function beganAt(record: Json): number {
  const { time } = summaryOf(record, "");
  return time === null ? 0 : Date.parse(time);
}

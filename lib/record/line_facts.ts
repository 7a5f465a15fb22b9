// Of whom and when a recorded line is, for those who must take it out.

import { isObject, textOf } from "../json/json.ts";
import type { LineFacts } from "./erase.ts";
import { metaIn } from "./meta_in.ts";

/** null for what is no record. */
export function recordFacts(line: string): LineFacts | null {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    // Half a line: of whom it is, is not known.
    return null;
  }
  if (!isObject(record)) return null;
  const meta = metaIn(record);
  const began = Date.parse(textOf(meta.started_at));
  const created = typeof record.created === "number" ? record.created * 1000 : null;
  return {
    client: textOf(meta.client),
    key: textOf(meta.key),
    at: Number.isNaN(began) ? created : began,
  };
}

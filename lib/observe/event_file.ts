// Events on the disk, so that a restart does not forget why it was made: a line for each change, the last one of
// an event counts. A file that has grown long becomes the one before; older ones are gone.

import { join } from "node:path";
import type { EventLevel, FeedEvent } from "./event_feed.ts";
import { appendPrivately } from "./line_file.ts";

/** Below the data folder. */
const FILE = "events.jsonl";
const BEFORE = "events.before.jsonl";
/** Some thousands of events. */
const MAX_BYTES = 1024 * 1024;

export type KeptEvent = Omit<FeedEvent, "id">;

/**
 * `run` tells the events of one process from those of another, whose ids are the same. Rejects where they cannot
 * be written; nothing of them is in the file then.
 */
export async function writeEvents(
  dataDir: string,
  run: number,
  events: readonly FeedEvent[],
): Promise<void> {
  const path = join(dataDir, FILE);
  const text = events.map((event) => `${JSON.stringify({ run, ...event })}\n`).join("");
  await appendPrivately(path, new TextEncoder().encode(text));
}

/** Once there is much: what is written next begins another file. */
export async function moveEvents(dataDir: string): Promise<void> {
  const path = join(dataDir, FILE);
  if ((await Deno.stat(path)).size > MAX_BYTES) await Deno.rename(path, join(dataDir, BEFORE));
}

/** The newest `most`, the oldest first; none where nothing was written yet. */
export async function readEvents(dataDir: string, most: number): Promise<KeptEvent[]> {
  const found = new Map<string, KeptEvent>();
  for (const name of [BEFORE, FILE]) {
    for (const line of (await textOf(join(dataDir, name))).split("\n")) {
      const read = eventIn(line);
      if (read === null) continue;
      // What goes on is as new as its last line.
      found.delete(read.name);
      found.set(read.name, read.event);
    }
  }
  return [...found.values()].slice(-most);
}

async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

const LEVELS: readonly EventLevel[] = ["info", "good", "warning", "bad"];

/** null for what is none: a line that a crash has cut off. */
function eventIn(line: string): { name: string; event: KeptEvent } | null {
  let fields: Record<string, unknown> | null;
  try {
    fields = JSON.parse(line);
  } catch {
    // Cut off, or written by others: it is left out.
    return null;
  }
  if (fields === null || typeof fields !== "object") return null;
  const { run, id, since, time, kind, level, subject, message, count } = fields;
  const known = LEVELS.find((one) => one === level);
  if (
    known === undefined || typeof since !== "string" || typeof time !== "string" ||
    typeof kind !== "string" || typeof subject !== "string" || typeof message !== "string" ||
    typeof count !== "number" || !Number.isFinite(count) || Number.isNaN(Date.parse(time))
  ) return null;
  return {
    name: `${run}:${id}`,
    event: { since, time, kind, level: known, subject, message, count },
  };
}

// Kept requests, the newest first, a page at a time: files are read backwards, and what a search reads for
// one page has a limit, so that looking never holds up serving.

import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Turns } from "../http/turns.ts";
import { hourFile, hoursOf } from "../observe/hour_files.ts";
import { hourName } from "../observe/hour_name.ts";
import { linesBackwards } from "../observe/lines_backwards.ts";
import { isMeant, needlesOf, type RequestFilter } from "./filter.ts";
import { type Story, storyIn } from "./story.ts";
import { REQUESTS_FOLDER } from "./writer.ts";

export interface RequestPage {
  readonly requests: readonly Story[];
  /** For the next page, `YYYYMMDD_HH:OFFSET`; null at the end. */
  readonly cursor: string | null;
  /** When the oldest request came that was looked at, milliseconds since 1970; null where none was. */
  readonly reached: number | null;
}

const PAGE = 50;
/** What a search takes for one page, and reads; it goes on with the cursor. */
const MAX_MS = 25;
const MAX_SCANNED = 8 * 1024 * 1024;
/** Lines between two looks at the clock. */
const LOOK = 32;
/** Between the coming of a request and its end, which is when its line was written. */
const LONGEST_MS = 3_600_000;

const decoder = new TextDecoder();

/** One page of what was asked of the gateway, at most `count` requests. */
export async function browseRequests(
  dataDir: string,
  filter: RequestFilter,
  cursor: string,
  count = PAGE,
  turns?: Turns,
): Promise<RequestPage> {
  const folder = join(dataDir, REQUESTS_FOLDER);
  const [from, offset] = cursor === "" ? [null, 0] : placeOf(cursor);
  const isWorthReading = lineFilter(filter);
  const requests: Story[] = [];
  const until = performance.now() + MAX_MS;
  let scanned = 0;
  let lines = 0;
  let reached: number | null = null;
  for (const hour of await hoursOf(folder)) {
    if ((from !== null && hour > from) || isOutside(hour, filter)) continue;
    for await (
      const line of linesBackwards(hourFile(folder, hour), hour === from ? offset : null, turns)
    ) {
      scanned += line.length;
      const isOver = scanned >= MAX_SCANNED || (++lines % LOOK === 0 && performance.now() > until);
      const story = line.bytes === null || !(isOver || isWorthReading(line.bytes))
        ? null
        : storyIn(decoder.decode(line.bytes));
      if (story !== null) {
        if (isMeant(filter, story)) requests.push(story);
        reached = story.at;
      }
      if (requests.length >= count || isOver) {
        return { requests, cursor: `${hour}:${line.offset}`, reached };
      }
    }
  }
  return { requests, cursor: null, reached };
}

/** The request of this id, looked for in the hours around `near` first; null where it is not kept. */
export async function findRequest(
  dataDir: string,
  id: string,
  near: number | null = null,
  turns?: Turns,
): Promise<Story | null> {
  const folder = join(dataDir, REQUESTS_FOLDER);
  const begin = Buffer.from(`{"id":${JSON.stringify(id)},`);
  const hours = await hoursOf(folder);
  const first = near === null ? "" : hourName(new Date(near));
  const likely = hours.filter((hour) => hour >= first).reverse();
  const ordered = near === null
    ? hours
    : [...likely, ...hours.filter((hour) => !likely.includes(hour))];
  for (const hour of ordered) {
    for await (const { bytes } of linesBackwards(hourFile(folder, hour), null, turns)) {
      if (bytes === null || bytes.length < begin.length) continue;
      if (begin.compare(bytes, 0, begin.length) === 0) return storyIn(decoder.decode(bytes));
    }
  }
  return null;
}

/** Whether a cursor is one that a page gave. */
export function isCursor(text: string): boolean {
  return /^\d{8}_\d{2}:\d{1,15}$/.test(text);
}

function placeOf(cursor: string): [hour: string, offset: number] {
  const [hour, offset] = cursor.split(":");
  return [hour, Number(offset)];
}

/** Lines stand in the hour in which their requests ended. */
function isOutside(hour: string, { since, until }: RequestFilter): boolean {
  if (since !== null && hour < hourName(new Date(since))) return true;
  return until !== null && hour > hourName(new Date(until + LONGEST_MS));
}

/** Whether a line can be one that is meant, by its bytes: most lines need not be parsed. */
function lineFilter(filter: RequestFilter): (bytes: Uint8Array) => boolean {
  const needles = needlesOf(filter);
  const words = JSON.stringify(filter.text).slice(1, -1).toLowerCase();
  return (bytes) => {
    const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    return needles.every((oneOf) => oneOf.some((needle) => line.includes(needle))) &&
      (words === "" || line.toString().toLowerCase().includes(words));
  };
}

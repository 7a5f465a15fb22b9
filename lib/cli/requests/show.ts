// What `requests` does: finds the requests that are meant and writes them out.

import { browseRequests, findRequest } from "../../requests/browse.ts";
import type { RequestFilter } from "../../requests/filter.ts";
import type { Story } from "../../requests/story.ts";
import { print } from "../print.ts";
import { lineOf, storyText } from "./words.ts";

const PAGE = 500;

/** Resolves to the exit code. */
export async function showList(
  dataDir: string,
  filter: RequestFilter,
  { limit, json }: { limit: number; json: boolean },
): Promise<number> {
  const found = await requestsFound(dataDir, filter, limit);
  for (const story of found.toReversed()) print(json ? JSON.stringify(story) : lineOf(story));
  if (found.length === 0) {
    const since = filter.since === null
      ? ""
      : ` since ${new Date(filter.since).toLocaleString("sv")}`;
    console.error(`no such request${since} in ${dataDir}/requests; --since looks further back`);
  } else if (found.length === limit) {
    console.error(`the newest ${limit} only; --limit shows more`);
  }
  return 0;
}

const LONGEST_MS = 3_600_000;

/** The newest first, at most `limit`. */
export async function requestsFound(
  dataDir: string,
  filter: RequestFilter,
  limit: number,
): Promise<Story[]> {
  const found: Story[] = [];
  for (let cursor: string | null = ""; cursor !== null && found.length < limit;) {
    const count = Math.min(PAGE, limit - found.length);
    const page = await browseRequests(dataDir, filter, cursor, count);
    found.push(...page.requests);
    cursor = page.cursor;
    // Lines stand in the order in which requests ended: one that came earlier may still follow.
    const isPast = page.reached !== null && filter.since !== null &&
      page.reached < filter.since - LONGEST_MS;
    if (isPast) break;
  }
  return found;
}

/** Resolves to the exit code. */
export async function showStory(dataDir: string, id: string, json: boolean): Promise<number> {
  const story = await findRequest(dataDir, id);
  if (story === null) {
    console.error(
      `no request ${id} in ${dataDir}/requests; ids are those of x-request-id and of the log's lines, ` +
        "and old hours are deleted (requests.keep)",
    );
    return 1;
  }
  console.log(json ? JSON.stringify(story) : storyText(story));
  return 0;
}

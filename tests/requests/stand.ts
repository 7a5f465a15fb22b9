// A writer of requests whose clock a test sets, and requests for it.

import type { Report } from "../../lib/observe/report.ts";
import { browseRequests } from "../../lib/requests/browse.ts";
import { ANY, type RequestFilter } from "../../lib/requests/filter.ts";
import { RequestWriter } from "../../lib/requests/writer.ts";
import { REPORT } from "../observe/sample_report.ts";

export const NOON = new Date(2026, 0, 31, 12, 30);
export const NO_LIMIT = { days: null, bytes: null };

export interface Stand {
  readonly writer: RequestWriter;
  readonly problems: { text: string; lost: number }[];
  /** Times that a problem was told to be over. */
  recoveries: number;
  /** What kept old files from being taken away. */
  readonly untidy: string[];
  now: Date;
  ageNow: () => Date;
}

export function standIn(dataDir: string, enabled = true): Stand {
  const problems: Stand["problems"] = [];
  const stand: Omit<Stand, "writer" | "problems"> = {
    now: NOON,
    ageNow: () => stand.now,
    recoveries: 0,
    untidy: [],
  };
  const writer = new RequestWriter({ dataDir, enabled, keep: NO_LIMIT }, {
    now: () => stand.now,
    ageNow: () => stand.ageNow(),
    onError: (error, lost) => problems.push({ text: String(error), lost }),
    onWritten: () => stand.recoveries++,
    onNotForgotten: (error) => stand.untidy.push(String(error)),
  });
  return Object.assign(stand, { writer, problems });
}

export function report(id: string, more: Partial<Report> = {}): Report {
  return { ...REPORT, id, startedAtMs: NOON.getTime(), ...more };
}

/** The newest first, as they are found. */
export async function idsOf(dataDir: string, more: Partial<RequestFilter> = {}): Promise<string[]> {
  const page = await browseRequests(dataDir, { ...ANY, ...more }, "");
  return page.requests.map(({ id }) => id);
}

// What a query says of the requests that are wanted, as the HTTP API and the pages write it.

import { OUTCOMES } from "../observe/report.ts";
import { isCursor } from "./browse.ts";
import { ANY, MORE_OUTCOMES, type RequestFilter } from "./filter.ts";

export const OUTCOME_WORDS: readonly string[] = [...OUTCOMES, ...MORE_OUTCOMES];

const MAX_COUNT = 500;

export interface RequestQuery {
  readonly filter: RequestFilter;
  readonly cursor: string;
  readonly count: number | undefined;
}

/** The query, or what is wrong with it. */
export function queryIn(parameters: URLSearchParams): RequestQuery | string {
  const text = (name: string) => parameters.get(name)?.trim() ?? "";
  const status = text("status").toLowerCase();
  if (status !== "" && !/^[1-5](\d\d|xx)$/.test(status)) {
    return "status: expected one such as 404 or 5xx";
  }
  const outcome = text("outcome");
  if (outcome !== "" && !OUTCOME_WORDS.includes(outcome)) {
    return `outcome: expected one of ${OUTCOME_WORDS.join(", ")}`;
  }
  const cursor = text("cursor");
  if (cursor !== "" && !isCursor(cursor)) return "cursor: expected one of an earlier page";
  const since = momentIn(text("since"));
  const until = momentIn(text("until"));
  if (since === undefined || until === undefined) {
    return "since, until: expected a time such as 2026-01-31T12:00:00Z, or milliseconds since 1970";
  }
  const slow = text("slow");
  if (slow !== "" && !/^\d{1,9}$/.test(slow)) return "slow: expected milliseconds";
  const count = text("count");
  if (count !== "" && !(Number(count) >= 1 && Number(count) <= MAX_COUNT)) {
    return `count: expected 1 to ${MAX_COUNT}`;
  }
  return {
    filter: {
      ...ANY,
      since,
      until,
      model: text("model"),
      instance: text("instance"),
      client: text("client"),
      status,
      outcome,
      policy: text("policy"),
      slowMs: slow === "" ? null : Number(slow),
      text: text("text"),
    },
    cursor,
    count: count === "" ? undefined : Math.floor(Number(count)),
  };
}

/** null where nothing is said, undefined where it is no time. */
function momentIn(text: string): number | null | undefined {
  if (text === "") return null;
  const ms = /^\d{10,}$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

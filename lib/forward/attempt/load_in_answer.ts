// What vLLM says of its load in the head of a whole answer where it is asked to (ORCA's load report as JSON):
// how many requests wait there, and how full its KV cache is. Nobody but the gateway wants to know.

import { header, type HeaderList } from "../../http/message.ts";
import { isObject } from "../../json/json.ts";

const FORMAT = "endpoint-load-metrics-format";
const REPORT = "endpoint-load-metrics";
const MAX_CHARS = 4096;

/** null where the instance does not say. */
export interface LoadInAnswer {
  readonly waiting: number | null;
  readonly kvUsage: number | null;
}

/** Whether the client wants the report for itself; then it is left to it. */
export function wantsLoad(client: HeaderList): boolean {
  return header(client, FORMAT) !== undefined;
}

/** The fields with the question. */
export function askingForLoad(headers: HeaderList): HeaderList {
  return [...headers, [FORMAT, "json"]];
}

/** The report in an answer's head; null where there is none that can be read. */
export function loadIn(headers: HeaderList): LoadInAnswer | null {
  const report = header(headers, REPORT);
  if (report === undefined || report.length > MAX_CHARS || !/^json\s/i.test(report)) return null;
  let value: unknown;
  try {
    value = JSON.parse(report.slice(5));
  } catch {
    // Another server's words, or another form: the answer is none the worse.
    return null;
  }
  const named = isObject(value) ? value.named_metrics : null;
  if (!isObject(named)) return null;
  const [waiting, kvUsage] = [
    amount(named.num_requests_waiting),
    amount(named.kv_cache_usage_perc),
  ];
  return waiting === null && kvUsage === null ? null : { waiting, kvUsage };
}

/** The fields without the report. */
export function withoutLoad(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => name !== REPORT);
}

function amount(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

// What vLLM says of its load in the head of a whole answer where it is asked to (ORCA's load report as JSON):
// how many requests wait there, and how full its KV cache is. Nobody but the gateway wants to know.

import { header, type HeaderList } from "../../http/message.ts";
import type { Config } from "../../config/config.ts";
import { isObject } from "../../json/json.ts";
import type { Lease } from "../../pool/lease.ts";
import type { ForwardRequest } from "../request.ts";

const FORMAT = "endpoint-load-metrics-format";
const REPORT = "endpoint-load-metrics";
const MAX_CHARS = 4096;

/** null where the instance does not say. */
interface LoadInAnswer {
  readonly waiting: number | null;
  readonly kvUsage: number | null;
}

/** Whether the gateway asks for the report; a client that asks for itself has it left to it. */
export function asksForLoad(
  { scrape }: Pick<Config, "scrape">,
  { api, stream, client }: ForwardRequest,
): boolean {
  return scrape?.withAnswers === true && api !== null && !stream && client.method === "POST" &&
    header(client.headers, FORMAT) === undefined;
}

/** The fields with the question. */
export function askingForLoad(headers: HeaderList): HeaderList {
  return [...headers, [FORMAT, "json"]];
}

/** The fields without the report, which the owner of `lease` is told. */
export function takeLoad(headers: HeaderList, lease: Lease): HeaderList {
  const load = loadIn(headers);
  if (load !== null) lease.saidLoad(load.waiting, load.kvUsage);
  return headers.filter(([name]) => name !== REPORT);
}

/** The report in an answer's head; null where there is none that can be read. */
function loadIn(headers: HeaderList): LoadInAnswer | null {
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

function amount(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

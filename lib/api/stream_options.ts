// What a client wants of its stream (`stream_options`), read as vLLM reads it, and gets where a server is
// told to give it in any case.

import { isObject, type Json, objectsIn } from "../json/json.ts";
import type { StreamEvent } from "./dialect.ts";
import { laxTrue } from "./lax.ts";

const decoder = new TextDecoder();
/** Nobody writes longer options. */
const MAX_BYTES = 4096;

/** The options at bytes[start, end) of a request; null for what are none, which the instance refuses in its own words. */
export function streamOptionsIn(
  body: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
): Json | null {
  if (end - start > MAX_BYTES) return null;
  try {
    const value = JSON.parse(decoder.decode(body.subarray(start, end)));
    return value === null ? {} : isObject(value) ? value : null;
  } catch {
    // Malformed JSON: the instance's to say.
    return null;
  }
}

/** Whether an event with the figures ends the stream. */
export function wantsUsage(options: unknown): boolean {
  return isObject(options) && laxTrue(options.include_usage);
}

/** Whether each event has the figures so far, which servers give beside those at the end alone. */
export function wantsUsageWithEach(options: unknown): boolean {
  return wantsUsage(options) && laxTrue((options as Json).continuous_usage_stats);
}

/** Whether chunks with a choice have come with figures: a server may be told to give them to everybody. */
export function tellsUsageWithEach(sent: Iterable<StreamEvent>): boolean {
  for (const { data } of sent) {
    if (isObject(data.usage) && objectsIn(data.choices).length > 0) return true;
  }
  return false;
}

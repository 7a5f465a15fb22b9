// How much work a capture is. What is little is turned into a record between requests; what is much,
// out of the way of all requests; what is too much, not at all.

import { stringEnd } from "../../json/json_string.ts";
import { EventStore } from "../../sse/event_store.ts";
import type { Capture } from "../capture.ts";

/** A request whose texts are looked for on the spot. */
const LIGHT_BODY_BYTES = 2 * 1024 * 1024;
/** JSON that is parsed on the spot: a few milliseconds, whatever it is made of. */
const LIGHT_JSON_BYTES = 256 * 1024;
/** Values of one JSON text that are built: more are no conversation, and cost gigabytes. */
const MAX_VALUES = 1_000_000;

/** Whether one step of turning it into a record would keep others waiting. */
export function isHeavy({ requestBody, response }: Capture): boolean {
  if (requestBody.length > LIGHT_BODY_BYTES) return true;
  if (response instanceof EventStore) return response.longest > LIGHT_JSON_BYTES * 2;
  return response !== null && isHeavyJson(response);
}

/** Whether parsing `json` would. */
export function isHeavyJson(json: Uint8Array): boolean {
  return json.length > LIGHT_JSON_BYTES;
}

/** Whether nobody should build the values of `json`. */
export function hasTooManyValues(json: Uint8Array): boolean {
  return json.length > MAX_VALUES && valuesIn(json, MAX_VALUES) > MAX_VALUES;
}

/** Separators and brackets outside of strings, counted up to `enough`. */
function valuesIn(json: Uint8Array, enough: number): number {
  let count = 0;
  for (let at = 0; at < json.length && count <= enough; at++) {
    const byte = json[at];
    if (byte === 34) {
      const end = stringEnd(json, at + 1, json.length);
      if (end < 0) return count;
      at = end;
    } else if (byte === 44 || byte === 91 || byte === 123) count++;
  }
  return count;
}

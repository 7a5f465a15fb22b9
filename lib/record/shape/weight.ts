// How much work a capture is. What is little is turned into a record between requests; what is much,
// out of the way of all requests; what is too much, not at all.

import { EventStore } from "../../sse/event_store.ts";
import type { Capture } from "../capture.ts";

/** A request whose texts are looked for on the spot. */
const LIGHT_BODY_BYTES = 2 * 1024 * 1024;
/** JSON that is parsed on the spot: a few milliseconds, whatever it is made of. */
const LIGHT_JSON_BYTES = 256 * 1024;

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

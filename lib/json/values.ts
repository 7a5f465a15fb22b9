// How many values a JSON text has, told from its bytes: before somebody builds them.

import { stringEnd } from "./json_string.ts";

/** Values of one JSON text that are built: more are no conversation, and cost gigabytes. */
export const MAX_VALUES = 1_000_000;

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

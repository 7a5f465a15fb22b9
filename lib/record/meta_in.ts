// The `meta` of a recorded line, whichever version wrote it.

import { isObject, type Json } from "../json/json.ts";

/** `meta` is the JSON text of an object; it was the object itself before 1.1. {} where it is neither. */
export function metaIn(record: Json): Json {
  const { meta } = record;
  if (typeof meta !== "string") return isObject(meta) ? meta : {};
  try {
    const parsed = JSON.parse(meta);
    return isObject(parsed) ? parsed : {};
  } catch {
    // Not written by this program; the conversation can be read all the same.
    return {};
  }
}

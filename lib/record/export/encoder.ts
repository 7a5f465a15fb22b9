// How the entries of an export stand in its file.

import type { Json } from "../../json/json.ts";
import { jsonText } from "../json_text.ts";

/** Gives the pieces of a file, one after the other; null where there is nothing to write yet. */
export interface Encoder {
  begin(): string | Uint8Array | null;
  entry(entry: Json): string | Uint8Array | null;
  end(): string | Uint8Array | null;
}

/** One JSON array, an entry a line. */
export function jsonArray(): Encoder {
  let count = 0;
  return {
    begin: () => "[\n",
    entry: (entry) => (count++ > 0 ? ",\n" : "") + jsonText(entry),
    end: () => count > 0 ? "\n]\n" : "]\n",
  };
}

/** A JSON text a line. */
export function jsonLines(): Encoder {
  return { begin: () => null, entry: (entry) => `${jsonText(entry)}\n`, end: () => null };
}

// Events that wait until it is known what of their texts may be shown. When nothing is found in them, the
// very bytes that came go out.

import type { Text } from "../../api/dialect.ts";
import { isJson } from "../../json/is_json.ts";
import { isObject, type Json } from "../../json/json.ts";
import { readEvent } from "../../sse/framing.ts";
import { withValues } from "../prompt/json_splice.ts";
import { edited } from "../text/edits.ts";
import type { Piece } from "./lane.ts";

const NONE: readonly Change[] = [];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Other texts for some places of an event. */
export interface Change {
  readonly place: Text;
  readonly text: string;
}

export class HeldEvent {
  /** performance.now() of when it was kept; 0 while nobody waits for it. */
  waitsSince = 0;

  constructor(
    /** The caller's memory at first: see `keep`. */
    public bytes: Uint8Array,
    /** Among those that are kept where they were generated; MADE for one that was not. */
    readonly number: number,
    /** The choices that it is about; none for what is about the whole answer. */
    readonly choices: readonly number[],
    readonly pieces: readonly Piece[],
    /** What says again what others say. */
    readonly repeated: readonly Change[] = NONE,
  ) {}
}

/** What goes to the client of an event whose texts are settled. */
export function shownBytes({ bytes, pieces, repeated }: HeldEvent): Uint8Array {
  if (repeated.length === 0 && hasNoEdits(pieces)) return bytes;
  const changes = [
    ...repeated,
    ...pieces.map(({ lane, place, start, end }) => ({
      place,
      text: edited(place.text, start, end, lane.reading.edits),
    })),
  ].filter(({ place, text }) => place.text !== text);
  return changes.length === 0 ? bytes : rewritten(bytes, changes);
}

function hasNoEdits(pieces: readonly Piece[]): boolean {
  for (let at = 0; at < pieces.length; at++) {
    if (pieces[at].lane.reading.edits.length > 0) return false;
  }
  return true;
}

/** The same event with other texts. What says the old ones in another way is left out. */
export function rewritten(
  bytes: Uint8Array,
  changes: readonly Change[],
): Uint8Array {
  const event = readEvent(bytes, 0, bytes.length);
  if (!event?.data) return bytes;
  const data: Json = JSON.parse(decoder.decode(event.data));
  const written = changes.map(({ place, text }) => ({
    path: place.path,
    json: valueOf(place, text),
  }));
  const json = withValues(event.data, [...written, ...traces(data)]);
  const lines = decoder.decode(bytes).split(/\r\n|\r|\n/).filter((line) =>
    line.startsWith("event") || line.startsWith("id")
  );
  const head = lines.map((line) => `${line}\n`).join("");
  const body = decoder.decode(json).split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`).join("");
  return encoder.encode(`${head}${body}\n`);
}

/** Log probabilities, token ids, citations and sound carry the same words. */
export function traces(data: Json): { path: (string | number)[]; json: string }[] {
  const found: { path: (string | number)[]; json: string }[] = [];
  const look = (value: unknown, path: (string | number)[], depth: number) => {
    if (depth > 8) return;
    if (Array.isArray(value)) value.forEach((one, at) => look(one, [...path, at], depth + 1));
    else if (isObject(value)) {
      for (const [name, inner] of Object.entries(value)) {
        if (name === "logprobs" && inner !== null) {
          found.push({ path: [...path, name], json: Array.isArray(inner) ? "[]" : "null" });
        } else if (TRACES.has(name) && inner !== null) {
          found.push({ path: [...path, name], json: "null" });
        } else if (LISTS.has(name) && Array.isArray(inner)) {
          if (inner.length > 0) found.push({ path: [...path, name], json: "[]" });
        } else if (name === "audio" && isObject(inner) && typeof inner.data === "string") {
          found.push({ path: [...path, name, "data"], json: '""' });
        } else if (typeof inner === "object" && !GIVEN.has(name)) {
          look(inner, [...path, name], depth + 1);
        }
      }
    }
  };
  look(data, [], 0);
  return found;
}

const TRACES = new Set(["token_ids", "prompt_token_ids", "prompt_logprobs"]);
/** What a tool is given has names of its own. */
const GIVEN = new Set(["input", "arguments"]);
const LISTS = new Set(["annotations", "citations"]);

/** What stands at the place of a text that has changed. */
export function valueOf({ form }: Text, text: string): string {
  return form === "json" && isJson(text) ? text : JSON.stringify(text);
}

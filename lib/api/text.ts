// A text and its place, from a field that may or may not hold one.

import { isObject } from "../json/json.ts";
import type { Channel, Text } from "./dialect.ts";

export type Path = Text["path"];

/** Which text a place belongs to. */
export type Part = Pick<Text, "choice" | "channel" | "part" | "repeats">;

/** The text at `path`, whose value is `value`; none where that is no text. */
export function textAt(part: Part, value: unknown, path: Path): Text[] {
  if (typeof value === "string") return [{ ...part, text: value, path, form: "string" }];
  // Arguments may be an object where others have its JSON as a text; `{}` is what announces them.
  if (part.channel !== "arguments" || !isObject(value)) return [];
  if (Object.keys(value).length === 0) return [];
  return [{ ...part, text: JSON.stringify(value), path, form: "json" }];
}

/** The objects in the list `value` with their places. */
export function placesIn(value: unknown): [Record<string, unknown>, number][] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown, at): [Record<string, unknown>, number][] =>
    isObject(item) ? [[item, at]] : []
  );
}

/** The part of `choice` that `channel` and `part` name. */
export function partOf(choice: number, channel: Channel, part = "", repeats = false): Part {
  return { choice, channel, part, repeats };
}

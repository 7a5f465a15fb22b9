// Texts whose bytes are no UTF-8 (GBK and Latin-1 of old editors): they are read with a mark in place of what cannot be,
// and a word or a key that has it would never match.

import type { Path } from "./path.ts";

/** What the runtime puts in the place of bytes that are no UTF-8. */
export const NO_CHARACTER = "\ufffd";

export const NO_UTF8 = "is not UTF-8; save the file with that encoding";

/** Where the texts stand that have the mark; of an option whose name has it, the option. */
export function oddPaths(value: unknown, path: Path = []): Path[] {
  if (typeof value === "string") return value.includes(NO_CHARACTER) ? [path] : [];
  if (Array.isArray(value)) return value.flatMap((one, index) => oddPaths(one, [...path, index]));
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, one]) =>
    name.includes(NO_CHARACTER) ? [[...path, name]] : oddPaths(one, [...path, name])
  );
}

/** The line, from 1, of a file beside the configuration that has it or NULs, as UTF-16 has; null without. */
export function oddLine({ text, isUtf8 }: { text: string; isUtf8: boolean }): number | null {
  const isOdd = (part: string) => part.includes("\0") || (!isUtf8 && part.includes(NO_CHARACTER));
  if (!isOdd(text)) return null;
  const found = text.split("\n").findIndex((line) => isOdd(line) && !/^\s*(#|\/\/)/.test(line));
  return found < 0 ? null : found + 1;
}

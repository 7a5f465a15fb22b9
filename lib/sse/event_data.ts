// Parts of one event in its bytes: its data, the figures in it, the choices that end with it.

import { readEvent } from "./framing.ts";
import { endedChoices } from "./meaning.ts";
import { shallowJson } from "./shallow.ts";

const BRACE = 123;

/** JSON that is longer is not built but skimmed. */
export const LARGE_BYTES = 256 * 1024;

export const USAGE_KEY: Uint8Array = new TextEncoder().encode('"usage"');

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The data lines of one event, joined. */
export function dataOf(bytes: Uint8Array, start: number, end: number): string {
  const data = readEvent(bytes, start, end)?.data;
  return data ? utf8.decode(data) : "";
}

/** A usage object is shorter. */
const MAX_USAGE_BYTES = 2048;

/** A copy of the event's bytes from its last `usage` object on. */
export function usageFrom(bytes: Uint8Array, start: number, end: number): Uint8Array {
  let last = start;
  for (let at = start; (at = find(bytes, USAGE_KEY, at, end)) >= 0; at++) {
    if (bytes[valueAfter(bytes, at + USAGE_KEY.length)] === BRACE) last = at;
  }
  return bytes.slice(last, Math.min(end, last + MAX_USAGE_BYTES));
}

/** Whether an event holds no choice, so that figures are all that it says. */
export function hasOnlyFigures(bytes: Uint8Array, start: number, end: number): boolean {
  const data = dataOf(bytes, start, end);
  return /"choices"\s*:\s*\[\s*\]/.test(data) || !data.includes('"choices"');
}

/** Whether the data of the one event in `bytes` is JSON to its end. */
export function hasWholeData(bytes: Uint8Array): boolean {
  const data = readEvent(bytes, 0, bytes.length)?.data;
  if (!data) return false;
  if (data.length > LARGE_BYTES) return shallowJson(data) !== undefined;
  try {
    JSON.parse(utf8.decode(data));
    return true;
  } catch {
    // Cut short, or no JSON at all, which cannot be told apart.
    return false;
  }
}

/** Index of each choice that ends in the event bytes[start, end); -1 where it names none. */
export function choicesEnding(bytes: Uint8Array, start: number, end: number): number[] {
  const data = readEvent(bytes, start, end)?.data;
  return endedChoices(data ? shallowJson(data) : null);
}

/** First position of `needle` in bytes[from, end), or -1. */
export function find(bytes: Uint8Array, needle: Uint8Array, from: number, end: number): number {
  const first = needle[1];
  const last = end - needle.length + 1;
  // The first byte is a quote, which is common in JSON; its second is compared before the rest.
  for (let at = from; at < last; at++) {
    if (bytes[at + 1] !== first || bytes[at] !== needle[0]) continue;
    let i = 2;
    while (i < needle.length && bytes[at + i] === needle[i]) i++;
    if (i === needle.length) return at;
  }
  return -1;
}

/** Position of the value after a key that ends at `keyEnd`, white space and colon passed. */
export function valueAfter(bytes: Uint8Array, keyEnd: number): number {
  let at = keyEnd;
  while (bytes[at] === 32 || bytes[at] === 58 || bytes[at] === 9) at++;
  return at;
}

// Puts other texts into the JSON of an event or a body. Only the bytes of those texts change: big integers,
// the order of keys and whatever this program does not know stay as they came.

import type { Text } from "./dialect.ts";

/** A text and what is to stand in its place. */
export interface Change {
  place: Text;
  text: string;
}

/**
 * `json` with the changes made. Throws RangeError where a place is not in it: the place must come from
 * the same data.
 */
export function withTexts(json: string, changes: readonly Change[]): string {
  const spans = changes
    .map(({ place, text }) => ({ ...spanAt(json, place.path), written: written(place, text) }))
    .sort((a, b) => a.start - b.start);
  let result = "";
  let at = 0;
  for (const { start, end, written } of spans) {
    result += json.slice(at, start) + written;
    at = end;
  }
  return result + json.slice(at);
}

function written({ form }: Text, text: string): string {
  return form === "json" && isJson(text) ? text : JSON.stringify(text);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // Changed so that it is no JSON any more; it stands as a text then.
    return false;
  }
}

interface Span {
  start: number;
  end: number;
}

/** Where the value at `path` stands in `json`, which is valid. */
function spanAt(json: string, path: readonly (string | number)[]): Span {
  let start = afterBlanks(json, 0);
  for (const step of path) {
    const found = typeof step === "string"
      ? memberAt(json, start, step)
      : elementAt(json, start, step);
    if (found < 0) throw new RangeError(`no text at ${path.join(".")}`);
    start = found;
  }
  return { start, end: endOfValue(json, start) };
}

/** Start of the member's value; the last one where a key comes twice, as JSON.parse has it. */
function memberAt(json: string, open: number, name: string): number {
  if (json[open] !== "{") return -1;
  let found = -1;
  let at = afterBlanks(json, open + 1);
  while (json[at] === '"') {
    const keyEnd = endOfString(json, at);
    const key: string = JSON.parse(json.slice(at, keyEnd));
    const value = afterBlanks(json, afterBlanks(json, keyEnd) + 1);
    if (key === name) found = value;
    at = nextStart(json, endOfValue(json, value));
  }
  return found;
}

function elementAt(json: string, open: number, index: number): number {
  if (json[open] !== "[") return -1;
  let at = afterBlanks(json, open + 1);
  for (let count = 0; at < json.length && json[at] !== "]"; count++) {
    if (count === index) return at;
    at = nextStart(json, endOfValue(json, at));
  }
  return -1;
}

/** Behind the comma, or at the closing bracket. */
function nextStart(json: string, end: number): number {
  const at = afterBlanks(json, end);
  return json[at] === "," ? afterBlanks(json, at + 1) : at;
}

function endOfValue(json: string, start: number): number {
  const first = json[start];
  if (first === '"') return endOfString(json, start);
  if (first !== "{" && first !== "[") {
    let end = start;
    while (end < json.length && !",]} \t\r\n".includes(json[end])) end++;
    return end;
  }
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    const char = json[at];
    if (char === '"') at = endOfString(json, at) - 1;
    else if (char === "{" || char === "[") depth++;
    else if ((char === "}" || char === "]") && --depth === 0) return at + 1;
  }
  return json.length;
}

function endOfString(json: string, start: number): number {
  for (let at = start + 1;;) {
    const quote = json.indexOf('"', at);
    if (quote < 0) return json.length;
    let backslashes = 0;
    while (json[quote - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

function afterBlanks(json: string, from: number): number {
  let at = from;
  while (at < json.length && " \t\r\n".includes(json[at])) at++;
  return at;
}

// Changes single values, members and elements in the bytes of a JSON text. Everything else stays as the
// client wrote it: big integers, floats, the order of keys, escapes. The text must be valid JSON.

import { stringEnd } from "../../json/json_string.ts";

const QUOTE = 34;
const COMMA = 44;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const BACKSLASH = 92;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Keys and indices from the whole text to a value in it. */
export type JsonPath = readonly (string | number)[];

/** One member of an object. */
export interface Member {
  readonly key: string;
  /** Where its key begins. */
  readonly keyStart: number;
  /** Its value. */
  readonly start: number;
  readonly end: number;
}

/** One element of an array. */
export interface Element {
  readonly start: number;
  readonly end: number;
}

/** The members of the object that begins at `open`; none where no object begins there. */
function membersOf(bytes: Uint8Array, open: number): Member[] {
  const members: Member[] = [];
  if (bytes[open] !== OPEN_OBJECT) return members;
  let at = afterBlanks(bytes, open + 1);
  while (bytes[at] === QUOTE) {
    const keyStart = at;
    const keyEnd = endOfString(bytes, at);
    const start = afterBlanks(bytes, afterBlanks(bytes, keyEnd) + 1);
    const end = endOfValue(bytes, start);
    members.push({ key: keyText(bytes, keyStart, keyEnd), keyStart, start, end });
    at = nextStart(bytes, end);
  }
  return members;
}

/** The elements of the array that begins at `open`; none where no array begins there. */
export function elementsOf(bytes: Uint8Array, open: number): Element[] {
  const elements: Element[] = [];
  if (bytes[open] !== OPEN_ARRAY) return elements;
  for (let at = afterBlanks(bytes, open + 1); at < bytes.length && bytes[at] !== CLOSE_ARRAY;) {
    const end = endOfValue(bytes, at);
    elements.push({ start: at, end });
    at = nextStart(bytes, end);
  }
  return elements;
}

/** Where the value at `path` stands, the last one where a key comes twice; null where there is none. */
export function placeOf(bytes: Uint8Array, path: JsonPath): Element | null {
  let start = afterBlanks(bytes, 0);
  for (const step of path) {
    const found = typeof step === "string"
      ? membersOf(bytes, start).findLast(({ key }) => key === step)
      : elementsOf(bytes, start)[step];
    if (found === undefined) return null;
    start = found.start;
  }
  return { start, end: endOfValue(bytes, start) };
}

/**
 * The text with members of the object at `path` set to other JSON, or taken out where that is null. A new
 * one comes last. All of a key that stands there twice are changed. Throws RangeError without an object.
 */
export function withMembers(
  bytes: Uint8Array,
  path: JsonPath,
  changes: ReadonlyMap<string, string | null>,
): Uint8Array {
  const { start, end } = containerAt(bytes, path, OPEN_OBJECT);
  const members = membersOf(bytes, start);
  const known = new Set(members.map(({ key }) => key));
  const added = [...changes].filter(([key, json]) => json !== null && !known.has(key))
    .map(([key, json]) => encoder.encode(`${JSON.stringify(key)}:${json}`));
  const isShrunk = members.some(({ key }) => changes.get(key) === null);
  if (!isShrunk) {
    const pieces: Splice[] = members.flatMap((member) => {
      const json = changes.get(member.key);
      if (json === undefined || json === null) return [];
      return [{ start: member.start, end: member.end, bytes: encoder.encode(json) }];
    });
    if (added.length > 0) {
      const at = members.at(-1)?.end ?? start + 1;
      const list = joinedByCommas(added);
      const more = members.length === 0 ? [list] : [new Uint8Array([COMMA]), list];
      pieces.push({ start: at, end: at, bytes: concat(more) });
    }
    return spliced(bytes, pieces);
  }
  const kept = members.filter(({ key }) => changes.get(key) !== null).map((member) => {
    const json = changes.get(member.key);
    if (json === undefined || json === null) return bytes.subarray(member.keyStart, member.end);
    return concat([bytes.subarray(member.keyStart, member.start), encoder.encode(json)]);
  });
  const inside = joinedByCommas([...kept, ...added]);
  return spliced(bytes, [{ start: start + 1, end: end - 1, bytes: inside }]);
}

/** What becomes of an array. */
export interface ListChange {
  /** Indices of elements that are taken out. */
  readonly removed?: ReadonlySet<number>;
  /** JSON that is put in, by the index of the element that it comes before; the length for the end. */
  readonly inserted?: readonly { readonly before: number; readonly json: string }[];
}

/** The text with the array at `path` changed. Throws RangeError where there is none. */
export function withElements(
  bytes: Uint8Array,
  path: JsonPath,
  { removed = new Set(), inserted = [] }: ListChange,
): Uint8Array {
  if (removed.size === 0 && inserted.length === 0) return bytes;
  const { start, end } = containerAt(bytes, path, OPEN_ARRAY);
  const elements = elementsOf(bytes, start);
  const items: Uint8Array[] = [];
  const putBefore = (index: number) => {
    for (const { before, json } of inserted) {
      if (before === index) items.push(encoder.encode(json));
    }
  };
  elements.forEach((element, index) => {
    putBefore(index);
    if (!removed.has(index)) items.push(bytes.subarray(element.start, element.end));
  });
  putBefore(elements.length);
  return spliced(bytes, [{ start: start + 1, end: end - 1, bytes: joinedByCommas(items) }]);
}

/**
 * The text with other JSON at several places, none of which lies within another. Throws RangeError where nothing
 * stands at one.
 */
export function withValues(
  bytes: Uint8Array,
  changes: readonly { readonly path: JsonPath; readonly json: string }[],
): Uint8Array {
  return spliced(
    bytes,
    changes.map(({ path, json }) => {
      const place = placeOf(bytes, path);
      if (place === null) throw new RangeError(`nothing stands at ${path.join(".")}`);
      return { ...place, bytes: encoder.encode(json) };
    }),
  );
}

/** The first key of the whole object that stands there twice; null without. */
export function repeatedKey(bytes: Uint8Array): string | null {
  const seen = new Set<string>();
  for (const { key } of membersOf(bytes, afterBlanks(bytes, 0))) {
    if (seen.has(key)) return key;
    seen.add(key);
  }
  return null;
}

interface Splice {
  start: number;
  end: number;
  bytes: Uint8Array;
}

function spliced(bytes: Uint8Array, splices: readonly Splice[]): Uint8Array {
  if (splices.length === 0) return bytes;
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const splice of splices.toSorted((a, b) => a.start - b.start)) {
    pieces.push(bytes.subarray(at, splice.start), splice.bytes);
    at = splice.end;
  }
  pieces.push(bytes.subarray(at));
  return concat(pieces);
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function joinedByCommas(items: readonly Uint8Array[]): Uint8Array {
  const comma = new Uint8Array([COMMA]);
  return concat(items.flatMap((item, index) => index === 0 ? [item] : [comma, item]));
}

function containerAt(bytes: Uint8Array, path: JsonPath, open: number): Element {
  const place = placeOf(bytes, path);
  if (place === null || bytes[place.start] !== open) {
    const what = open === OPEN_OBJECT ? "object" : "array";
    throw new RangeError(`no ${what} stands at ${path.join(".")}`);
  }
  return place;
}

function keyText(bytes: Uint8Array, start: number, end: number): string {
  const written = bytes.subarray(start, end);
  const text = decoder.decode(written);
  return written.includes(BACKSLASH) ? JSON.parse(text) : text.slice(1, -1);
}

function nextStart(bytes: Uint8Array, end: number): number {
  const at = afterBlanks(bytes, end);
  return bytes[at] === COMMA ? afterBlanks(bytes, at + 1) : at;
}

function endOfString(bytes: Uint8Array, start: number): number {
  const end = stringEnd(bytes, start + 1, bytes.length);
  return end < 0 ? bytes.length : end + 1;
}

function endOfValue(bytes: Uint8Array, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return endOfString(bytes, start);
  let at = start;
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) {
    while (at < bytes.length && !isEnd(bytes[at])) at++;
    return at;
  }
  for (let depth = 0; at < bytes.length;) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      continue;
    }
    at++;
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --depth === 0) return at;
  }
  return bytes.length;
}

function isEnd(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || byte <= 32;
}

function afterBlanks(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] <= 32) at++;
  return at;
}

// Where an event of a stream ends and what its lines say, by the rules of WHATWG HTML (section 9.2), for
// any split of the bytes and in time that grows with their number only.

const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;

/** No event of an honest instance has more lines; each costs a look. */
const MAX_LINES = 100_000;

/**
 * Position after the blank line that ends the event starting at or before `from`, or -1 when it has not
 * come yet. Sees LF and CRLF only: an end by a CR alone, which no usual server sends, may lie before
 * the one found; `anyEventEnd` finds that.
 */
export function eventEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const lf = bytes.indexOf(LF, at);
    if (lf < 0 || lf >= end) return -1;
    if (lf + 1 < end && bytes[lf + 1] === LF) return lf + 2;
    if (lf + 2 < end && bytes[lf + 1] === CR && bytes[lf + 2] === LF) return lf + 3;
    at = lf + 1;
  }
  return -1;
}

/**
 * The same for every line end there is. A blank line that ends in CR behind a line that ended in LF is
 * over when the next byte is known; one behind a CR is over at once, and an LF that follows it is a
 * blank line before the next event.
 */
export function anyEventEnd(all: Uint8Array, from: number, end: number): number {
  const bytes = upTo(all, end);
  let lf = bytes.indexOf(LF, from);
  let cr = bytes.indexOf(CR, from);
  for (;;) {
    if (lf < 0 || lf >= end) lf = end;
    if (cr < 0 || cr >= end) cr = end;
    if (lf === end && cr === end) return -1;
    let at: number;
    let bare = false;
    if (lf < cr) at = lf + 1;
    else if (bytes[cr + 1] === LF && cr + 1 < end) at = cr + 2;
    else {
      at = cr + 1;
      bare = true;
    }
    if (at >= end) return -1;
    if (bytes[at] === LF) return at + 1;
    if (bytes[at] === CR) {
      if (bare) return at + 1;
      if (at + 1 < end) return bytes[at + 1] === LF ? at + 2 : at + 1;
      return -1;
    }
    if (lf < at) lf = bytes.indexOf(LF, at);
    if (cr < at) cr = bytes.indexOf(CR, at);
  }
}

/** One event as its lines say it. */
export interface RawEvent {
  /** The `event:` field; "" where there is none. */
  name: string;
  /** The `data:` lines, joined by line feeds; null where there are none. */
  data: Uint8Array | null;
}

const utf8 = new TextDecoder();
const NAME = new TextEncoder().encode("event");
const DATA = new TextEncoder().encode("data");

/**
 * The fields of the event bytes[start, end), its last line ended or not; null when it has more lines
 * than are read. A byte order mark in front is passed over.
 */
export function readEvent(all: Uint8Array, start: number, end: number): RawEvent | null {
  const bytes = upTo(all, end);
  let name = "";
  let data: Uint8Array | null = null;
  const more: Uint8Array[] = [];
  let lf = -1;
  let cr = -1;
  let fresh = true;
  let lines = 0;
  for (let at = start; at < end;) {
    if (++lines > MAX_LINES) return null;
    if (lf < at) lf = positionOf(bytes, LF, at, end);
    if (cr < at) cr = positionOf(bytes, CR, at, end);
    const lineEnd = Math.min(lf, cr);
    let from = at;
    if (fresh && bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf) from += 3;
    if (from < lineEnd) fresh = false;
    const value = valueOf(bytes, DATA, from, lineEnd);
    if (value >= 0) {
      const line = bytes.subarray(value, lineEnd);
      if (data === null) data = line;
      else more.push(line);
    } else {
      const named = valueOf(bytes, NAME, from, lineEnd);
      if (named >= 0) name = utf8.decode(bytes.subarray(named, lineEnd));
    }
    at = lineEnd === cr && lf === cr + 1 ? lf + 1 : lineEnd + 1;
  }
  return { name, data: data === null || more.length === 0 ? data : byLines(data, more) };
}

/** A read may hold hundreds of events behind this one; none of them is searched for it. */
function upTo(bytes: Uint8Array, end: number): Uint8Array {
  return end === bytes.length ? bytes : bytes.subarray(0, end);
}

/** The first `byte` of bytes[at, end), or `end`. */
function positionOf(bytes: Uint8Array, byte: number, at: number, end: number): number {
  const found = bytes.indexOf(byte, at);
  return found < 0 || found > end ? end : found;
}

/** Where the value of the line bytes[at, end) begins when its field is `name`, else -1. */
function valueOf(bytes: Uint8Array, name: Uint8Array, at: number, end: number): number {
  const colon = at + name.length;
  if (colon > end) return -1;
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return -1;
  if (colon === end) return end;
  if (bytes[colon] !== COLON) return -1;
  return colon + 1 < end && bytes[colon + 1] === SPACE ? colon + 2 : colon + 1;
}

function byLines(first: Uint8Array, more: readonly Uint8Array[]): Uint8Array {
  const length = more.reduce((sum, line) => sum + line.length + 1, first.length);
  const whole = new Uint8Array(length);
  whole.set(first);
  let at = first.length;
  for (const line of more) {
    whole[at++] = LF;
    whole.set(line, at);
    at += line.length;
  }
  return whole;
}

/**
 * What an event that came without its blank line lacks; `bytes` are all that came of it.
 */
export function missingEnd(bytes: Uint8Array): string {
  const last = bytes.at(-1);
  const before = bytes.at(-2);
  if (last === CR) return before === LF ? "\n" : "\n\n";
  if (last === LF) return before === CR ? "\r\n" : "\n";
  return bytes.includes(CR) ? "\r\n\r\n" : "\n\n";
}

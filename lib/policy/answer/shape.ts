// An event whose text stands where it stood in one that was parsed, and that is the same but for that text
// and for numbers that say nothing of it: it needs no parsing. What is not sure to be so is parsed.

import type { Text } from "../../api/dialect.ts";
import { objectIn } from "../../json/json.ts";
import { joined } from "../../http/joined.ts";
import { latin1Text } from "../../http/latin1.ts";
import { readEvent } from "../../sse/framing.ts";
import type { Lane, Piece } from "./lane.ts";

const QUOTE = 34;
const BACKSLASH = 92;
const ZERO = 48;
const NINE = 57;
const LOWER_U = 117;
/** What follows a backslash, and the unit that both stand for. */
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [QUOTE, QUOTE],
  [BACKSLASH, BACKSLASH],
  [47, 47],
  [98, 8],
  [102, 12],
  [110, 10],
  [114, 13],
  [116, 9],
]);
/**
 * Numbers that may differ in events which are alike otherwise: counts, times, whatever a server adds. Indexes
 * (`index`, `output_index`) are none: they say whose text it is. Nothing else that is read here is a number.
 */
const COUNTERS = /"(?!\w*index")\w+"\s*:\s*\d+/gi;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Where the text of an event was read to. */
export class Units {
  all = new Uint16Array(64);
  count = 0;
  /** Where it stands in the event, without its quotes. */
  from = 0;
  to = 0;

  get text(): string {
    let text = "";
    for (let at = 0; at < this.count; at++) text += String.fromCharCode(this.all[at]);
    return text;
  }

  put(unit: number): void {
    if (this.count === this.all.length) {
      const larger = new Uint16Array(this.count * 2);
      larger.set(this.all);
      this.all = larger;
    }
    this.all[this.count++] = unit;
  }
}

export class Shape {
  private constructor(
    readonly lane: Lane,
    readonly place: Text,
    /** Of the lane's choice alone. */
    readonly choices: readonly number[],
    /** The event up to its text and from behind it, each divided where a number stands. */
    private readonly before: readonly Uint8Array[],
    private readonly behind: readonly Uint8Array[],
  ) {}

  /** The shape of an event with this one text; null where that is not found in its bytes for sure. */
  static of(bytes: Uint8Array, lane: Lane, place: Text): Shape | null {
    if (place.form !== "string") return null;
    const written = encoder.encode(JSON.stringify(place.text));
    const at = onlyPlaceOf(bytes, written);
    if (at < 0 || !isText(bytes, at, written.length, place)) return null;
    const before = divided(bytes.subarray(0, at + 1));
    const behind = divided(bytes.subarray(at + written.length - 1));
    return new Shape(lane, place, [lane.choice], before, behind);
  }

  /**
   * Whether the event, all of `bytes`, has this shape; its text is in `units` then. What it shares with
   * another one of the shape is not looked at again: all before the text, which begins at `from`, and all
   * behind it, `rest` bytes. -1 where it does not.
   */
  reads(bytes: Uint8Array, units: Units, from = -1, rest = -1): boolean {
    const start = from >= 0 ? from : skipped(bytes, 0, this.before);
    if (start < 0) return false;
    const end = textEnd(bytes, start, units);
    if (end < 0) return false;
    units.from = start;
    units.to = end;
    return bytes.length - end === rest || skipped(bytes, end, this.behind) === bytes.length;
  }
}

/** The text of an event of a shape, as a piece of its lane. */
export class ShapedPiece implements Piece {
  /** The event. */
  event: { readonly bytes: Uint8Array } | null = null;

  constructor(
    private readonly shape: Shape,
    readonly start: number,
    readonly end: number,
  ) {}

  get lane(): Lane {
    return this.shape.lane;
  }

  get place(): Text {
    const units = new Units();
    this.shape.reads(this.event!.bytes, units);
    return { ...this.shape.place, text: units.text };
  }
}

/** Where `parts`, with a number between each two, end in `bytes`, when they stand at `at`; else -1. */
function skipped(bytes: Uint8Array, at: number, parts: readonly Uint8Array[]): number {
  for (let i = 0; i < parts.length; i++) {
    if (i > 0) {
      const from = at;
      while (bytes[at] >= ZERO && bytes[at] <= NINE) at++;
      if (at === from) return -1;
    }
    const part = parts[i];
    if (at + part.length > bytes.length) return -1;
    for (let j = 0; j < part.length; j++) if (bytes[at + j] !== part[j]) return -1;
    at += part.length;
  }
  return at;
}

/** Reads a JSON string from behind its first quote; where its last one stands, or -1 for what is no good one. */
function textEnd(bytes: Uint8Array, from: number, units: Units): number {
  units.count = 0;
  const { length } = bytes;
  for (let at = from; at < length;) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte < 32) return -1;
    if (byte === BACKSLASH) {
      const next = bytes[at + 1];
      const unit = next === LOWER_U ? hex(bytes, at + 2) : ESCAPES.get(next) ?? -1;
      if (unit < 0) return -1;
      units.put(unit);
      at += next === LOWER_U ? 6 : 2;
    } else if (byte < 128) {
      units.put(byte);
      at++;
    } else if (byte >= 0xe0 && byte < 0xf0) {
      const [second, third] = [bytes[at + 1], bytes[at + 2]];
      if ((second & 0xc0) !== 0x80 || (third & 0xc0) !== 0x80) return -1;
      const unit = (byte & 15) << 12 | (second & 63) << 6 | third & 63;
      if (unit < 0x800 || (unit >= 0xd800 && unit < 0xe000)) return -1;
      units.put(unit);
      at += 3;
    } else if (byte >= 0xc2 && byte < 0xe0) {
      const second = bytes[at + 1];
      if ((second & 0xc0) !== 0x80) return -1;
      units.put((byte & 31) << 6 | second & 63);
      at += 2;
    } else {
      const [second, third, fourth] = [bytes[at + 1], bytes[at + 2], bytes[at + 3]];
      const isFour = byte >= 0xf0 && byte < 0xf5 && (second & 0xc0) === 0x80 &&
        (third & 0xc0) === 0x80 && (fourth & 0xc0) === 0x80;
      if (!isFour) return -1;
      const point = (byte & 7) << 18 | (second & 63) << 12 | (third & 63) << 6 | fourth & 63;
      if (point < 0x10000 || point > 0x10ffff) return -1;
      units.put(0xd800 + (point - 0x10000 >> 10));
      units.put(0xdc00 + (point - 0x10000 & 0x3ff));
      at += 4;
    }
  }
  return -1;
}

/** The number that four digits from `at` on are; -1 for what are none. */
function hex(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i];
    if (byte >= ZERO && byte <= NINE) value = value << 4 | byte - ZERO;
    else if ((byte | 32) >= 97 && (byte | 32) <= 102) value = value << 4 | (byte | 32) - 87;
    else return -1;
  }
  return value;
}

/** `part` without the numbers that count. */
function divided(part: Uint8Array): Uint8Array[] {
  // One character for each byte.
  const text = latin1Text(part, 0, part.length);
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const match of text.matchAll(COUNTERS)) {
    const end = match.index + match[0].length;
    // What a number ends with must be seen, or it might go on.
    if (end === text.length) break;
    const digits = /\d+$/.exec(match[0])![0].length;
    parts.push(part.slice(from, end - digits));
    from = end;
  }
  parts.push(part.slice(from));
  return parts;
}

/** Whether the string at `at` is the text at the place, and no other field that reads the same. */
function isText(bytes: Uint8Array, at: number, length: number, { path }: Text): boolean {
  const probe = encoder.encode('"\\u0000probe"');
  const other = joined([bytes.subarray(0, at), probe, bytes.subarray(at + length)]);
  const event = readEvent(other, 0, other.length);
  let value: unknown = event?.data ? objectIn(decoder.decode(event.data)) : null;
  for (const step of path) {
    value = value !== null && typeof value === "object"
      ? (value as Record<string | number, unknown>)[step]
      : undefined;
  }
  return value === "\0probe";
}

/** Where `written` stands in `bytes`, unless it stands there twice; else -1. */
function onlyPlaceOf(bytes: Uint8Array, written: Uint8Array): number {
  let found = -1;
  for (let at = 0; at + written.length <= bytes.length; at++) {
    let i = 0;
    while (i < written.length && bytes[at + i] === written[i]) i++;
    if (i < written.length) continue;
    if (found >= 0) return -1;
    found = at;
  }
  return found;
}

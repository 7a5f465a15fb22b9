// The cheapest look at a streamed answer that is right: whether an event is an error, a finish, or the
// first that means something. The usual event is told by its keys alone, any other is read in full
// (framing.ts, meaning.ts). What the events say is left to assemble/, after the stream.

import { latin1Text } from "../http/latin1.ts";
import { CLOSELY, EMPTY, MALFORMED, PLAIN, USAGE } from "./flags.ts";
import { readEvent } from "./framing.ts";
import { find, LARGE_BYTES, USAGE_KEY, valueAfter } from "./event_data.ts";
import { bodyIsNone, meaningOf, meaningOfJson } from "./meaning.ts";
import { shallowJson } from "./shallow.ts";

export * from "./flags.ts";
export {
  choicesEnding,
  dataOf,
  find,
  hasOnlyFigures,
  hasWholeData,
  usageFrom,
} from "./event_data.ts";
export { anyEventEnd, eventEnd, missingEnd } from "./framing.ts";

const LF = 10;
const CR = 13;
const QUOTE = 34;
const BRACE = 123;
const CLOSING_BRACE = 125;
const LETTER_N = 110;

/** Bits that only scanKeys and its callers know: some text or token was seen, a `type` was. */
const SAYS = 1 << 20;
const TYPED = 1 << 21;

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

const FINISH_KEY = encoder.encode('"finish_reason"');
const ERROR_KEY = encoder.encode('"error"');
const TYPE_KEY = encoder.encode('"type"');
const TOKEN_IDS_KEY = encoder.encode('"token_ids"');
/** Keys whose text is the answer's; `delta` is one in the Responses API. */
const CONTENT_KEY = encoder.encode('"content"');
const TEXT_KEY = encoder.encode('"text"');
const REASONING_KEY = encoder.encode('"reasoning"');
const REASONING_CONTENT_KEY = encoder.encode('"reasoning_content"');
const ARGUMENTS_KEY = encoder.encode('"arguments"');
const DELTA_KEY = encoder.encode('"delta"');
const THINKING_KEY = encoder.encode('"thinking"');
const PARTIAL_JSON_KEY = encoder.encode('"partial_json"');

/** Named events that carry a piece of the answer, and nothing else matters in them. */
const PIECES = new Set([
  "response.output_text.delta",
  "response.reasoning_text.delta",
  "response.reasoning_summary_text.delta",
  "response.function_call_arguments.delta",
  "content_block_delta",
]);
const LONGEST_NAME = 40;

/**
 * Looks at the events of one stream in their order. In a JSON string a quote is always escaped, so
 * `"key"` with bare quotes can only be a key (or a whole string value): text that quotes JSON does not
 * deceive it.
 */
export class Scanner {
  /** Where the text begins in the event looked at last, from its start; 0 unless it was PLAIN by its keys. */
  #textAt = 0;

  /** Flags of the event bytes[start, end). */
  inspect(bytes: Uint8Array, start: number, end: number): number {
    const flags = this.usual(bytes, start, end);
    return flags === CLOSELY ? inspectClosely(bytes, start, end) : flags;
  }

  /**
   * The same for an event that shares its first `prefix` and last `suffix` bytes with the one looked at
   * before: only keys that the bytes between can have changed are looked for.
   */
  inspectChange(
    bytes: Uint8Array,
    start: number,
    end: number,
    prefix: number,
    suffix: number,
  ): number {
    const flags = this.usualChange(bytes, start, end, prefix, suffix);
    return flags === CLOSELY ? inspectClosely(bytes, start, end) : flags;
  }

  /** Flags of bytes[start, end) where its keys tell them, as they do of most events; else CLOSELY alone. */
  usual(bytes: Uint8Array, start: number, end: number): number {
    this.#textAt = 0;
    const close = closingBrace(bytes, end);
    if (close < 0) return CLOSELY;
    const isNamed = bytes[start] === 101 /* e */;
    const open = isNamed ? namedData(bytes, start, close) : objectAfterField(bytes, start);
    if (open < 0) return CLOSELY;
    const flags = this.#scanKeys(bytes, start, open, close);
    const closely = isNamed ? CLOSELY : CLOSELY | TYPED;
    if ((flags & closely) !== 0 || (flags & SAYS) === 0) {
      this.#textAt = 0;
      return CLOSELY;
    }
    const known = flags & USAGE;
    if (known !== PLAIN) this.#textAt = 0;
    return known;
  }

  /** The same for an event that shares bytes with the one before. */
  usualChange(
    bytes: Uint8Array,
    start: number,
    end: number,
    prefix: number,
    suffix: number,
  ): number {
    const textAt = this.#textAt;
    if (textAt === 0 || prefix < textAt || bytes[start + textAt] === QUOTE) {
      return this.usual(bytes, start, end);
    }
    const close = closingBrace(bytes, end);
    if (close < 0) return this.usual(bytes, start, end);
    // A key that ends before the change may have its value in it.
    let from = start + prefix;
    while (bytes[from - 1] === 32 || bytes[from - 1] === 58 || bytes[from - 1] === 9) from--;
    from = Math.max(start + textAt, from - FINISH_KEY.length);
    const flags = this.#scanKeys(bytes, start, from, Math.min(close, end - suffix));
    // What kind of event it is stands before the text, and with it whether a `type` matters.
    const same = bytes[start] === 101 /* e */ ? flags & ~(SAYS | TYPED) : flags & ~SAYS;
    this.#textAt = textAt;
    return same === PLAIN ? PLAIN : this.usual(bytes, start, end);
  }

  /** Flags of the keys that begin in bytes[from, until); CLOSELY for what must be looked into. */
  #scanKeys(bytes: Uint8Array, start: number, from: number, until: number): number {
    let flags = PLAIN;
    // One pass over the keys that can matter; everything else is content.
    for (let at = from; at < until; at++) {
      const byte = bytes[at];
      if (byte > QUOTE) continue;
      if (byte !== QUOTE) {
        // A line of its own, or JSON in a spelling that no server writes on its way.
        if (byte < 32) return CLOSELY;
        continue;
      }
      let key: Uint8Array;
      switch (bytes[at + 1]) {
        case 97 /* a */:
          key = ARGUMENTS_KEY;
          break;
        case 99 /* c */:
          key = CONTENT_KEY;
          break;
        case 100 /* d */:
          key = DELTA_KEY;
          break;
        case 101 /* e */:
          if (matches(bytes, ERROR_KEY, at)) return CLOSELY;
          continue;
        case 102 /* f */:
          if (matches(bytes, FINISH_KEY, at)) {
            at = valueAfter(bytes, at + FINISH_KEY.length);
            if (bytes[at] !== LETTER_N) return CLOSELY;
          }
          continue;
        case 112 /* p */:
          key = PARTIAL_JSON_KEY;
          break;
        case 114 /* r */:
          key = matches(bytes, REASONING_KEY, at) ? REASONING_KEY : REASONING_CONTENT_KEY;
          break;
        case 116 /* t */:
          if (bytes[at + 2] === 121 /* y */) {
            if (matches(bytes, TYPE_KEY, at)) flags |= TYPED;
            continue;
          }
          if (bytes[at + 2] === 111 /* o */) {
            // A token that is a part of a character has no text yet.
            if (matches(bytes, TOKEN_IDS_KEY, at)) {
              at = valueAfter(bytes, at + TOKEN_IDS_KEY.length);
              if (bytes[at] === 91 /* [ */ && isDigit(bytes[at + 1])) flags |= SAYS;
            }
            continue;
          }
          key = bytes[at + 2] === 104 /* h */ ? THINKING_KEY : TEXT_KEY;
          break;
        case 117 /* u */:
          if (matches(bytes, USAGE_KEY, at)) {
            at = valueAfter(bytes, at + USAGE_KEY.length);
            if (bytes[at] === BRACE) flags |= USAGE;
          }
          continue;
        default:
          continue;
      }
      if (!matches(bytes, key, at)) continue;
      const value = valueAfter(bytes, at + key.length);
      if (bytes[value] !== QUOTE || bytes[value + 1] === QUOTE) continue;
      flags |= SAYS;
      if (this.#textAt === 0) this.#textAt = value + 1 - start;
      at = value;
    }
    return flags;
  }
}

/** Flags of the event bytes[start, end), looked at alone. */
export function inspect(bytes: Uint8Array, start: number, end: number): number {
  return new Scanner().inspect(bytes, start, end);
}

/** Where the `}` stands that only the blank line of the event's end follows; -1 for other endings. */
function closingBrace(bytes: Uint8Array, end: number): number {
  if (bytes[end - 1] !== LF) return -1;
  if (bytes[end - 2] === LF) return bytes[end - 3] === CLOSING_BRACE ? end - 3 : -1;
  return bytes[end - 2] === CR && bytes[end - 3] === LF && bytes[end - 4] === CR &&
      bytes[end - 5] === CLOSING_BRACE
    ? end - 5
    : -1;
}

/** Where the object begins that stands behind `data:` at `at`; -1 for anything else. */
function objectAfterField(bytes: Uint8Array, at: number): number {
  if (
    bytes[at] !== 100 /* d */ || bytes[at + 1] !== 97 /* a */ || bytes[at + 2] !== 116 /* t */ ||
    bytes[at + 3] !== 97 /* a */ || bytes[at + 4] !== 58 /* : */
  ) return -1;
  if (bytes[at + 5] === BRACE) return at + 5;
  return bytes[at + 5] === 32 && bytes[at + 6] === BRACE ? at + 6 : -1;
}

/** The same for an event whose first line says that it is a piece of the answer. */
function namedData(bytes: Uint8Array, start: number, end: number): number {
  const from = bytes[start + 6] === 32 ? start + 7 : start + 6;
  const last = Math.min(end, from + LONGEST_NAME);
  let lineEnd = from;
  while (lineEnd < last && bytes[lineEnd] !== LF) lineEnd++;
  if (bytes[lineEnd] !== LF || bytes[start + 5] !== 58 /* : */) return -1;
  if (!PIECES.has(latin1Text(bytes, from, lineEnd))) return -1;
  return latin1Text(bytes, start, start + 5) === "event"
    ? objectAfterField(bytes, lineEnd + 1)
    : -1;
}

/** Whether `needle`, a key whose first two bytes are there, stands at `at`. */
function matches(bytes: Uint8Array, needle: Uint8Array, at: number): boolean {
  for (let i = 2; i < needle.length; i++) if (bytes[at + i] !== needle[i]) return false;
  return true;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

/** Any event but the usual: read by the rules. */
function inspectClosely(bytes: Uint8Array, start: number, end: number): number {
  const event = readEvent(bytes, start, end);
  if (event === null) return CLOSELY | MALFORMED;
  const { name, data } = event;
  if (data === null) return CLOSELY | EMPTY;
  if (data.length > LARGE_BYTES) return CLOSELY | meaningOfJson(name, shallowJson(data));
  return CLOSELY | meaningOf(name, utf8.decode(data));
}

/** Whether a whole answer that is too large to be parsed says that the instance gave up. */
export function bodyGaveUp(body: Uint8Array): boolean {
  let at = find(body, FINISH_KEY, 0, body.length);
  // Messages and responses have other names for it.
  if (at < 0) return bodyIsNone(shallowJson(body));
  for (; at >= 0; at = find(body, FINISH_KEY, at, body.length)) {
    const value = valueAfter(body, at + FINISH_KEY.length);
    const reason = latin1Text(body, value, Math.min(body.length, value + 8));
    if (reason.startsWith('"abort"') || reason.startsWith('"error"')) return true;
    at = value;
  }
  return false;
}

// Long strings of a request go into its record as the bytes that they came in. Without them the request
// is small: shaping a record then costs the same for a prompt of a megabyte as for one of a line, but
// for copying it.

import { isUtf8 } from "node:buffer";
import { stringEnd } from "../json/json_string.ts";
import { latin1Text } from "../http/latin1.ts";

/** Below this a body is parsed as it is. */
const LONG_BODY_BYTES = 64 * 1024;
const LONG_TEXT_BYTES = 16 * 1024;
/** Fields whose strings a record has as they are. */
const FIELDS = new Set(["content", "text", "url"]);

const QUOTE = 34;
const BACKSLASH = 92;
const COLON = 58;
/**
 * Control bytes; U+0085, U+2028 and U+2029, which end a line for some readers; escapes of surrogates,
 * which may be halves.
 */
// deno-lint-ignore no-control-regex -- exactly these are looked for
const UNFIT = /[\u0000-\u001f]|\u00c2\u0085|\u00e2\u0080[\u00a8\u00a9]|\\u[dD][89a-fA-F]/;

const ECHO = /"echo"\s*:\s*true/;

export class LongTexts {
  /** The request with a short name in the place of each long text. */
  readonly body: Uint8Array;
  readonly #texts: readonly Uint8Array[];
  readonly #name: string;

  /** null when there is nothing to gain. `body` must be JSON that an instance has accepted. */
  static in(body: Uint8Array): LongTexts | null {
    if (body.length < LONG_BODY_BYTES) return null;
    const spans = longSpans(body);
    return spans.length === 0 ? null : new LongTexts(body, spans);
  }

  private constructor(body: Uint8Array, spans: readonly [start: number, end: number][]) {
    this.#name = `<${crypto.randomUUID()}`;
    this.#texts = spans.map(([start, end]) => body.subarray(start, end));
    const encoder = new TextEncoder();
    const pieces: Uint8Array[] = [];
    let at = 0;
    for (const [index, [start, end]] of spans.entries()) {
      pieces.push(body.subarray(at, start), encoder.encode(`${this.#name} ${index}>`));
      at = end;
    }
    pieces.push(body.subarray(at));
    this.body = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let to = 0;
    for (const piece of pieces) {
      this.body.set(piece, to);
      to += piece.length;
    }
  }

  /**
   * The line of a record in pieces, each name replaced by its text. null when a name stands in JSON
   * within a string and its text has escapes, which would need escapes of their own: the whole request
   * must be shaped then.
   */
  restore(line: string): (string | Uint8Array)[] | null {
    const pieces: (string | Uint8Array)[] = [];
    let at = 0;
    for (;;) {
      const found = line.indexOf(this.#name, at);
      if (found < 0) break;
      const end = line.indexOf(">", found);
      const text = this.#texts[Number(line.slice(found + this.#name.length, end))];
      const isNested = line[found - 1] === '"' && line[found - 2] === "\\";
      if (isNested && text.includes(BACKSLASH)) return null;
      pieces.push(line.slice(at, found), text);
      at = end + 1;
    }
    pieces.push(line.slice(at));
    return pieces;
  }
}

/** What stands between the quotes of long strings in fields that are taken as they are. */
function longSpans(body: Uint8Array): [number, number][] {
  const spans: [number, number][] = [];
  let key = "";
  // The record of an echoed answer compares the request's text with the answer's.
  if (
    ECHO.test(latin1Text(body, 0, 2000)) ||
    ECHO.test(latin1Text(body, Math.max(0, body.length - 2000), body.length))
  ) {
    return [];
  }
  for (let at = body.indexOf(QUOTE); at >= 0; at = body.indexOf(QUOTE, at)) {
    const start = at + 1;
    const end = stringEnd(body, start, body.length);
    if (end < 0) return [];
    at = end + 1;
    if (nextByte(body, at) === COLON) {
      key = end - start <= 16 ? latin1Text(body, start, end) : "";
      continue;
    }
    const isLong = end - start >= LONG_TEXT_BYTES && FIELDS.has(key);
    if (isLong && isFit(body, start, end)) spans.push([start, end]);
    key = "";
  }
  return spans;
}

function isFit(body: Uint8Array, start: number, end: number): boolean {
  return isUtf8(body.subarray(start, end)) && !UNFIT.test(latin1Text(body, start, end));
}

function nextByte(body: Uint8Array, from: number): number {
  let at = from;
  while (body[at] <= 32) at++;
  return body[at];
}

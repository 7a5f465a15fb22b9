// Finds top-level fields of a JSON object in its bytes, without building the object: a megabyte of
// prompt is skipped, not parsed. What the fields mean is left to read.ts.

import { Span } from "../forward/target.ts";
import { latin1Text } from "../http/latin1.ts";
import { emptyList } from "../http/memory.ts";

/** Objects and arrays inside one another. */
const MAX_DEPTH = 256;

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const COLON = 58;
const COMMA = 44;

/** The text is not one JSON object; `offset` is the byte at fault. */
export class JsonSyntaxError extends Error {
  override readonly name = "JsonSyntaxError";
  constructor(message: string, readonly offset: number) {
    super(`${message} at byte ${offset}`);
  }
}

/**
 * Value spans of the `wanted` keys of the object in `bytes`; a key that stands twice has the last one,
 * as in JSON parsers, and all of them in `all`. Checks the structure of the whole text; escapes and
 * digits inside values are left to the instance. Throws JsonSyntaxError.
 */
export function topLevelFields(
  bytes: Uint8Array,
  wanted: ReadonlySet<string>,
): Map<string, Span[]> {
  const scanner = new Scanner(bytes);
  return scanner.object(wanted);
}

class Scanner {
  #at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  object(wanted: ReadonlySet<string>): Map<string, Span[]> {
    const { bytes } = this;
    const found = new Map<string, Span[]>();
    this.#space();
    if (bytes[this.#at] !== OPEN_OBJECT) throw this.#error("expected an object `{`");
    this.#at++;
    this.#space();
    if (bytes[this.#at] === CLOSE_OBJECT) this.#at++;
    else {
      for (;;) {
        this.#space();
        const keyStart = this.#at;
        this.#string();
        const key = this.#keyText(keyStart);
        this.#space();
        this.#expect(COLON, "`:`");
        this.#space();
        const start = this.#at;
        this.#value();
        if (wanted.has(key)) {
          let spans = found.get(key);
          if (spans === undefined) found.set(key, spans = emptyList());
          spans.push(new Span(start, this.#at));
        }
        this.#space();
        const next = bytes[this.#at++];
        if (next === COMMA) continue;
        if (next === CLOSE_OBJECT) break;
        this.#at--;
        throw this.#error("expected `,` or `}`");
      }
    }
    this.#space();
    if (this.#at < bytes.length) throw this.#error("unexpected text after the object");
    return found;
  }

  /** Keys are compared as text, so that an escaped spelling of `model` is the same key. */
  #keyText(start: number): string {
    const text = this.#at - start > 400 ? "" : latin1Text(this.bytes, start + 1, this.#at - 1);
    if (!text.includes("\\")) return text;
    try {
      return JSON.parse(new TextDecoder().decode(this.bytes.subarray(start, this.#at)));
    } catch {
      throw this.#error("malformed string");
    }
  }

  /** Passes one value of any kind; nesting is walked with a stack of our own, never the call stack. */
  #value(): void {
    const { bytes } = this;
    const stack: number[] = [];
    for (;;) {
      this.#space();
      const byte = bytes[this.#at];
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (stack.length >= MAX_DEPTH) throw this.#error(`nested deeper than ${MAX_DEPTH}`);
        this.#at++;
        this.#space();
        const close = byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY;
        if (bytes[this.#at] === close) this.#at++;
        else {
          stack.push(close);
          if (byte === OPEN_OBJECT) this.#key();
          continue;
        }
      } else if (byte === QUOTE) this.#string();
      else this.#literal();

      for (;;) {
        if (stack.length === 0) return;
        this.#space();
        const next = bytes[this.#at];
        if (next === COMMA) {
          this.#at++;
          if (stack[stack.length - 1] === CLOSE_OBJECT) this.#key();
          break;
        }
        if (next !== stack[stack.length - 1]) {
          throw this.#error("expected `,` or a closing bracket");
        }
        this.#at++;
        stack.pop();
      }
    }
  }

  #key(): void {
    this.#space();
    this.#string();
    this.#space();
    this.#expect(COLON, "`:`");
  }

  #string(): void {
    const { bytes } = this;
    if (bytes[this.#at] !== QUOTE) throw this.#error("expected a string");
    let from = this.#at + 1;
    for (;;) {
      const quote = bytes.indexOf(QUOTE, from);
      if (quote < 0) throw this.#error("unterminated string");
      let slashes = 0;
      while (quote - 1 - slashes >= from && bytes[quote - 1 - slashes] === BACKSLASH) slashes++;
      from = quote + 1;
      if (slashes % 2 === 0) break;
    }
    this.#at = from;
  }

  /** A number, true, false or null. */
  #literal(): void {
    const { bytes } = this;
    const start = this.#at;
    while (this.#at < bytes.length) {
      const byte = bytes[this.#at];
      const plain = (byte >= 48 && byte <= 57) || (byte >= 97 && byte <= 122) ||
        (byte >= 65 && byte <= 90) || byte === 43 || byte === 45 || byte === 46;
      if (!plain) break;
      this.#at++;
    }
    const text = latin1Text(bytes, start, Math.min(this.#at, start + 400));
    // Python's JSON reader takes NaN and Infinity; the instance decides about those.
    if (!/^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null|NaN|-?Infinity)$/.test(text)) {
      this.#at = start;
      throw this.#error(start >= bytes.length ? "unexpected end" : "unexpected token");
    }
  }

  #space(): void {
    const { bytes } = this;
    for (;;) {
      const byte = bytes[this.#at];
      if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return;
      this.#at++;
    }
  }

  #expect(byte: number, what: string): void {
    if (this.bytes[this.#at] !== byte) throw this.#error(`expected ${what}`);
    this.#at++;
  }

  #error(message: string): JsonSyntaxError {
    return new JsonSyntaxError(message, this.#at);
  }
}

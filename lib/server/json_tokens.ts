// The small pieces of a JSON text in its bytes: which key it is, where a number or word ends, and the
// error for what is none.

import { latin1Text } from "../http/latin1.ts";

const BACKSLASH = 92;
/** No number is longer, not even Python's. */
const MAX_LITERAL_BYTES = 64 * 1024;

/** The text is not one JSON object; `offset` is the byte at fault. */
export class JsonSyntaxError extends Error {
  override readonly name = "JsonSyntaxError";
  constructor(message: string, readonly offset: number) {
    super(`${message} at byte ${offset}`);
  }
}

/** The keys that are looked for, by their bytes: others cost no string. */
export class WantedKeys {
  readonly #byLength: (readonly { key: string; bytes: Uint8Array }[] | undefined)[] = [];
  readonly #longest: number;

  private constructor(private readonly wanted: ReadonlySet<string>) {
    const encoder = new TextEncoder();
    for (const key of wanted) {
      const others = this.#byLength[key.length] ?? [];
      this.#byLength[key.length] = [...others, { key, bytes: encoder.encode(key) }];
    }
    // A key may be written in escapes, six bytes for each letter.
    this.#longest = (this.#byLength.length - 1) * 6;
  }

  static readonly #known = new WeakMap<ReadonlySet<string>, WantedKeys>();

  /** Made once for each set, which must not change. */
  static of(wanted: ReadonlySet<string>): WantedKeys {
    let keys = this.#known.get(wanted);
    if (keys === undefined) this.#known.set(wanted, keys = new WantedKeys(wanted));
    return keys;
  }

  /** The wanted key between two quotes; null for any other. An escaped spelling is the same key. */
  find(bytes: Uint8Array, start: number, end: number): string | null {
    const length = end - start;
    if (length > this.#longest) return null;
    const same = this.#byLength[length];
    if (same !== undefined) {
      for (const one of same) if (isAt(one.bytes, bytes, start)) return one.key;
    }
    for (let at = start; at < end; at++) {
      if (bytes[at] === BACKSLASH) return this.#unescaped(bytes, start, end);
    }
    return null;
  }

  #unescaped(bytes: Uint8Array, start: number, end: number): string | null {
    try {
      const text = JSON.parse(new TextDecoder().decode(bytes.subarray(start - 1, end + 1)));
      return this.wanted.has(text) ? text : null;
    } catch {
      throw new JsonSyntaxError("malformed string", start - 1);
    }
  }
}

function isAt(piece: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < piece.length; i++) if (bytes[start + i] !== piece[i]) return false;
  return true;
}

/** Position after a number, true, false or null. */
export function literalEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  // Most are short whole numbers.
  while (bytes[at] >= 48 && bytes[at] <= 57 && at < start + 16) at++;
  if (at > start && (bytes[start] !== 48 || at === start + 1) && !isPlain(bytes[at])) return at;
  const longest = start + MAX_LITERAL_BYTES;
  while (at <= longest && isPlain(bytes[at])) at++;
  const text = latin1Text(bytes, start, Math.min(at, start + 400));
  // Python's JSON reader takes NaN and Infinity; the instance decides about those.
  const known = /^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null|NaN|-?Infinity)$/.test(
    text,
  );
  if (!known || at > longest) {
    const what = start >= bytes.length ? "unexpected end" : "unexpected token";
    throw new JsonSyntaxError(what, start);
  }
  return at;
}

/** A byte that a number or a word may have. */
function isPlain(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 97 && byte <= 122) || (byte >= 65 && byte <= 90) ||
    byte === 43 || byte === 45 || byte === 46;
}

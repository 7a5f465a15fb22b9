// Finds top-level fields of a JSON object in its bytes, without building the object: a megabyte of
// prompt is skipped, not parsed. Linear in the bytes whatever is in them, and a large body is looked
// at in slices, so that others are served in between. What the fields mean is left to read.ts.

import { Span } from "../forward/target.ts";
import { stringEnd } from "../json/json_string.ts";
import { emptyList } from "../http/memory.ts";
import { JsonSyntaxError, literalEnd, WantedKeys } from "./json_tokens.ts";

export { JsonSyntaxError };

/** Objects and arrays inside one another. */
const MAX_DEPTH = 256;
/** How often a wanted key may stand in one object. */
const MAX_REPEATED = 100;
/** What is looked at in one go: some five milliseconds at worst. */
export const SLICE_BYTES = 128 * 1024;

const QUOTE = 34;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const COLON = 58;
const COMMA = 44;

/** The value of a wanted key. */
export class Field extends Span {
  constructor(
    start: number,
    end: number,
    /** Elements, where it is an array. */ readonly items: number,
  ) {
    super(start, end);
  }
}

export type Fields = Map<string, Field[]>;

/**
 * Value spans of the `wanted` keys of the object in `bytes`; a key that stands twice has the last one,
 * as in JSON parsers, and all of them in the list. Checks the structure of the whole text; escapes and
 * digits inside values are left to the instance. Throws JsonSyntaxError.
 */
export function topLevelFields(bytes: Uint8Array, wanted: ReadonlySet<string>): Fields {
  const scanner = new Scanner(bytes, WantedKeys.of(wanted));
  scanner.run(bytes.length);
  return scanner.found;
}

/** The same in slices, between which others run. */
export async function topLevelFieldsInSlices(
  bytes: Uint8Array,
  wanted: ReadonlySet<string>,
  sliceBytes = SLICE_BYTES,
): Promise<Fields> {
  const scanner = new Scanner(bytes, WantedKeys.of(wanted));
  for (
    let until = sliceBytes;
    !scanner.run(Math.min(until, bytes.length));
    until = scanner.at + sliceBytes
  ) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return scanner.found;
}

/** What may come next. */
const BEGIN = 0;
const VALUE = 1;
/** A value, or the end of an empty array. */
const FIRST_VALUE = 2;
const KEY = 3;
/** A key, or the end of an empty object. */
const FIRST_KEY = 4;
const AFTER_KEY = 5;
const AFTER_VALUE = 6;
const END = 7;
/** The rest of a string that a slice ended in. */
const STRING = 8;
const KEY_STRING = 9;

/** One pass over the text; nesting is kept in a stack of its own, never the call stack. */
class Scanner {
  readonly found: Fields = new Map();
  at = 0;
  #state = BEGIN;
  #depth = 0;
  /** What closes each object and array that is open, from the outermost on. */
  readonly #closers: number[] = emptyList();
  /** The wanted key whose value is being passed, and where that began. */
  #key: string | null = null;
  #start = 0;
  #items = 0;
  #keyStart = 0;

  constructor(private readonly bytes: Uint8Array, private readonly keys: WantedKeys) {}

  /** Goes on to `until`; true at the end of the text. */
  run(until: number): boolean {
    const { bytes } = this;
    const closers = this.#closers;
    // In variables of their own, for speed: one step a token, none of which calls itself.
    let at = this.at;
    let state = this.#state;
    let depth = this.#depth;
    for (;;) {
      if (at >= until && at < bytes.length) break;
      const byte = bytes[at];
      if (byte === 32 || byte === 10 || byte === 13 || byte === 9) {
        at++;
        continue;
      }
      if (state === AFTER_KEY) {
        if (byte !== COLON) throw new JsonSyntaxError("expected `:`", at);
        at++;
        state = VALUE;
        continue;
      }
      if (state === KEY_STRING || state === KEY || (state === FIRST_KEY && byte !== CLOSE_OBJECT)) {
        if (state !== KEY_STRING) {
          if (byte !== QUOTE) throw new JsonSyntaxError("expected a string", at);
          this.#keyStart = ++at;
        }
        const end = stringEnd(bytes, at, until);
        if (end >= 0) {
          if (depth === 1) this.#key = this.keys.find(bytes, this.#keyStart, end);
          at = end + 1;
          state = AFTER_KEY;
          continue;
        }
        at = -2 - end;
        state = KEY_STRING;
        if (at >= bytes.length) {
          throw new JsonSyntaxError("unterminated string", this.#keyStart - 1);
        }
        continue;
      }
      if (
        state === STRING || state === VALUE || (state === FIRST_VALUE && byte !== CLOSE_ARRAY)
      ) {
        if (state === STRING) at--;
        else if (depth === 1) {
          this.#start = at;
          this.#items = 0;
        } else if (depth === 2) this.#items++;
        if (state !== STRING && (byte === OPEN_OBJECT || byte === OPEN_ARRAY)) {
          // The object that the text is counts for none.
          if (depth > MAX_DEPTH) throw new JsonSyntaxError(`nested deeper than ${MAX_DEPTH}`, at);
          closers[depth++] = byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY;
          state = byte === OPEN_OBJECT ? FIRST_KEY : FIRST_VALUE;
          at++;
          continue;
        }
        if (byte === QUOTE || state === STRING) {
          const end = stringEnd(bytes, at + 1, until);
          if (end < 0) {
            at = -2 - end;
            state = STRING;
            if (at >= bytes.length) throw new JsonSyntaxError("unterminated string", bytes.length);
            continue;
          }
          at = end + 1;
        } else at = literalEnd(bytes, at);
      } else if (state === AFTER_VALUE && byte === COMMA) {
        at++;
        state = closers[depth - 1] === CLOSE_OBJECT ? KEY : VALUE;
        continue;
      } else if (state === BEGIN) {
        if (byte !== OPEN_OBJECT) throw new JsonSyntaxError("expected an object `{`", at);
        closers[depth++] = CLOSE_OBJECT;
        state = FIRST_KEY;
        at++;
        continue;
      } else if (state === END) {
        if (at < bytes.length) throw new JsonSyntaxError("unexpected text after the object", at);
        return true;
      } else if (byte === closers[depth - 1]) {
        at++;
        depth--;
      } else {
        const end = depth === 1 ? "`}`" : "a closing bracket";
        throw new JsonSyntaxError(`expected \`,\` or ${end}`, at);
      }
      // A value is over.
      state = depth === 0 ? END : AFTER_VALUE;
      if (depth === 1 && this.#key !== null) this.#keep(this.#key, at);
    }
    this.at = at;
    this.#state = state;
    this.#depth = depth;
    return false;
  }

  #keep(key: string, end: number): void {
    let fields = this.found.get(key);
    if (fields === undefined) this.found.set(key, fields = emptyList());
    if (fields.length === MAX_REPEATED) {
      throw new JsonSyntaxError(`\`${key}\` more than ${MAX_REPEATED} times`, this.#start);
    }
    fields.push(new Field(this.#start, end, this.#items));
    this.#key = null;
  }
}

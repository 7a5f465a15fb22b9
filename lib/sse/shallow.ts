// Reads JSON that is too large to be built: the same value, but with long strings cut, deep values left
// out and long lists and objects shortened. Costs one pass over the bytes whatever stands in them.

/** Deeper values are read as null: `response.output[0].name` and `choices[0].delta.content` are within. */
const MAX_DEPTH = 6;
/** Entries of one object or list that are kept. */
const MAX_ENTRIES = 64;
/** Bytes of a string or number that are kept. */
const MAX_TEXT = 256;

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

const latin1 = new TextDecoder("latin1");

/** The shape of the JSON in `bytes`; undefined when it is none. Keys and texts are read byte by byte. */
export function shallowJson(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  try {
    const value = reader.value(0);
    return reader.isAtEnd ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

class Reader {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get isAtEnd(): boolean {
    this.#blanks();
    return this.#at === this.bytes.length;
  }

  value(depth: number): unknown {
    this.#blanks();
    const byte = this.bytes[this.#at];
    if (depth > MAX_DEPTH && (byte === OPEN_OBJECT || byte === OPEN_LIST)) {
      this.#at++;
      this.#leave(1);
      return null;
    }
    switch (byte) {
      case QUOTE:
        return this.#text();
      case OPEN_OBJECT:
        return this.#object(depth);
      case OPEN_LIST:
        return this.#list(depth);
      default:
        return this.#scalar();
    }
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = Object.create(null);
    let kept = 0;
    this.#at++;
    if (this.#passes(CLOSE_OBJECT)) return object;
    do {
      if (kept++ === MAX_ENTRIES) {
        this.#leave(1);
        return object;
      }
      this.#blanks();
      if (this.bytes[this.#at] !== QUOTE) throw new SyntaxError("a key is due");
      const key = this.#text();
      this.#expect(COLON);
      object[key] = this.value(depth + 1);
    } while (this.#passes(COMMA));
    this.#expect(CLOSE_OBJECT);
    return object;
  }

  #list(depth: number): unknown[] {
    const list: unknown[] = [];
    this.#at++;
    if (this.#passes(CLOSE_LIST)) return list;
    do {
      if (list.length === MAX_ENTRIES) {
        this.#leave(1);
        return list;
      }
      list.push(this.value(depth + 1));
    } while (this.#passes(COMMA));
    this.#expect(CLOSE_LIST);
    return list;
  }

  #text(): string {
    const from = this.#at;
    this.#skipText();
    const length = this.#at - from;
    if (length > MAX_TEXT) return latin1.decode(this.bytes.subarray(from + 1, from + MAX_TEXT));
    return JSON.parse(latin1.decode(this.bytes.subarray(from, this.#at)));
  }

  #scalar(): unknown {
    const from = this.#at;
    while (!isDelimiter(this.bytes[this.#at])) this.#at++;
    if (this.#at - from > MAX_TEXT) throw new SyntaxError("no number is so long");
    return JSON.parse(latin1.decode(this.bytes.subarray(from, this.#at)));
  }

  #skipText(): void {
    const { bytes } = this;
    let at = this.#at + 1;
    while (bytes[at] !== QUOTE) {
      if (at >= bytes.length) throw new SyntaxError("a string has no end");
      at += bytes[at] === BACKSLASH ? 2 : 1;
    }
    this.#at = at + 1;
  }

  /** Passes everything until `open` brackets are closed, without a look inside. */
  #leave(open: number): void {
    const { bytes } = this;
    while (open > 0) {
      const byte = bytes[this.#at];
      if (byte === undefined) throw new SyntaxError("a value has no end");
      if (byte === QUOTE) this.#skipText();
      else {
        if (byte === OPEN_OBJECT || byte === OPEN_LIST) open++;
        else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) open--;
        this.#at++;
      }
    }
  }

  #blanks(): void {
    while (this.bytes[this.#at] <= 32) this.#at++;
  }

  #passes(byte: number): boolean {
    this.#blanks();
    if (this.bytes[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  #expect(byte: number): void {
    if (!this.#passes(byte)) throw new SyntaxError(`${String.fromCharCode(byte)} is due`);
  }
}

/** What ends a number or a word; the end of all bytes too. */
function isDelimiter(byte: number | undefined): boolean {
  return byte === undefined || byte <= 32 || byte === COMMA || byte === CLOSE_LIST ||
    byte === CLOSE_OBJECT;
}

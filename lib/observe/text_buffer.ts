// Text gathered as UTF-8 bytes for one write. Encoding costs more for each call than for its bytes, so lines
// become bytes some thousand characters at a time; none stays a string until the write.

const FIRST_BYTES = 64 * 1024;
/** A buffer up to this is kept, and a longer one as long as batches fill a quarter of it. */
const KEPT_BYTES = 1024 * 1024;
/** No buffer beyond this is kept. */
const MOST_KEPT_BYTES = 16 * 1024 * 1024;
/** Characters that are encoded at once. */
const PIECE_CHARS = 8 * 1024;

export class TextBuffer {
  #bytes = new Uint8Array(0);
  #length = 0;
  /** What is not encoded yet. */
  #text = "";
  readonly #encoder = new TextEncoder();

  /** Bytes gathered so far, of the last characters as if each were one. */
  get length(): number {
    return this.#length + this.#text.length;
  }

  append(text: string): void {
    this.#text += text;
    if (this.#text.length >= PIECE_CHARS) this.#encode();
  }

  /** Text that is UTF-8 already. */
  appendBytes(bytes: Uint8Array): void {
    this.#encode();
    const needed = this.#length + bytes.length;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#bytes.set(bytes, this.#length);
    this.#length = needed;
  }

  /** What was gathered; valid until the next `append` or `clear`. */
  bytes(): Uint8Array<ArrayBuffer> {
    this.#encode();
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    const { length } = this.#bytes;
    const isFilled = this.#length * 4 >= length && length <= MOST_KEPT_BYTES;
    if (length > KEPT_BYTES && !isFilled) this.#bytes = new Uint8Array(0);
    this.#length = 0;
    this.#text = "";
  }

  #encode(): void {
    const text = this.#text;
    if (text === "") return;
    // A UTF-16 code unit is at most three bytes.
    const needed = this.#length + text.length * 3;
    if (needed > this.#bytes.length) this.#grow(needed);
    const { written } = this.#encoder.encodeInto(text, this.#bytes.subarray(this.#length));
    this.#length += written;
    this.#text = "";
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2, FIRST_BYTES));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

// Text gathered as UTF-8 bytes for one write: a line costs a copy, and leaves no string behind that
// would live until the write.

const FIRST_BYTES = 64 * 1024;
/** What is kept of a buffer that one large batch has made long. */
const KEPT_BYTES = 1024 * 1024;

export class TextBuffer {
  #bytes = new Uint8Array(0);
  #length = 0;
  readonly #encoder = new TextEncoder();

  /** Bytes gathered so far. */
  get length(): number {
    return this.#length;
  }

  append(text: string): void {
    // A UTF-16 code unit is at most three bytes.
    const needed = this.#length + text.length * 3;
    if (needed > this.#bytes.length) this.#grow(needed);
    const { written } = this.#encoder.encodeInto(text, this.#bytes.subarray(this.#length));
    this.#length += written;
  }

  /** Text that is UTF-8 already. */
  appendBytes(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#bytes.set(bytes, this.#length);
    this.#length = needed;
  }

  /** What was gathered; valid until the next `append` or `clear`. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(0);
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2, FIRST_BYTES));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

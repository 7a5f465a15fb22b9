// The bytes of an event that has not ended, until the rest of it comes: copied once or twice, in however
// many pieces it comes.

const NOTHING = new Uint8Array(0);

export class PendingBytes {
  /** How many there are. */
  length = 0;
  /** Their memory, and room for more. */
  #memory: Uint8Array = NOTHING;

  /** The bytes, valid until the next call. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.length);
  }

  /** The bytes and `piece` behind them. */
  with(piece: Uint8Array): Uint8Array {
    const length = this.length + piece.length;
    if (length > this.#memory.length) {
      // Memory that doubles is copied as often as it has bytes, not as often as pieces come.
      const larger = new Uint8Array(Math.max(length, 2 * this.#memory.length));
      larger.set(this.bytes);
      this.#memory = larger;
    }
    this.#memory.set(piece, this.length);
    return this.#memory.subarray(0, length);
  }

  /**
   * Keeps bytes[start, end) and nothing else. `bytes` are what `with` gave, or a piece that the next read
   * overwrites; what is before `start` may still be on its way to the client, and is left alone.
   */
  keep(bytes: Uint8Array, start: number): void {
    this.length = bytes.length - start;
    if (this.length === 0) this.#memory = NOTHING;
    else if (start > 0 || bytes.buffer !== this.#memory.buffer) this.#memory = bytes.slice(start);
  }

  clear(): void {
    this.length = 0;
    this.#memory = NOTHING;
  }
}

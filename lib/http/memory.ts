// Memory for small messages without an ArrayBuffer for each: making one costs about a microsecond, and
// the garbage collector as much again.

/** Longest message that travels in one write. */
export const MESSAGE_BYTES = 16 * 1024;
const MAX_FREE = 64;
const SLAB_BYTES = 32 * 1024;
/** Larger pieces get memory of their own, so that one that is kept long does not hold much else. */
const MAX_CARVED_BYTES = 4 * 1024;

/** Buffers of MESSAGE_BYTES for messages on their way out; each goes back when it is written. */
export class MessageBuffers {
  readonly #free: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(MESSAGE_BYTES);
  }

  giveBack(buffer: Uint8Array): void {
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  }
}

/** Carves pieces that live as long as somebody keeps them out of larger ones. */
export class Slab {
  #slab = new Uint8Array(0);
  #at = 0;

  /** `length` bytes, not zeroed by anyone but the first user of a slab. */
  take(length: number): Uint8Array {
    if (length > MAX_CARVED_BYTES) return new Uint8Array(length);
    if (this.#at + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#at = 0;
    }
    return this.#slab.subarray(this.#at, this.#at += length);
  }

  copy(bytes: Uint8Array): Uint8Array {
    const piece = this.take(bytes.length);
    piece.set(bytes);
    return piece;
  }
}

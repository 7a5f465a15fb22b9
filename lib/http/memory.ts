// Memory that does not burden the garbage collector: for small messages without an ArrayBuffer for each
// (making one costs about a microsecond, and the collector as much again), and lists that die young.

/** Longest message that travels in one write. */
export const MESSAGE_BYTES = 16 * 1024;
const MAX_FREE = 64;
/** A chunk of a stream with its frame, as a rule. */
const SHORT_BYTES = 2 * 1024;
/** As many streams may be writing at once. */
const MAX_FREE_SHORT = 512;
const SLAB_BYTES = 32 * 1024;
/** Larger pieces get memory of their own, so that one that is kept long does not hold much else. */
const MAX_CARVED_BYTES = 4 * 1024;

const NOTHING: readonly unknown[] = [];

/**
 * A fresh list without a literal, for what a request holds on to. V8 counts how many of the objects of
 * each literal outlive a collection. At the start all of them do, since they belong to the first
 * requests under way, and from then on V8 makes them in its old space: there each keeps its request
 * alive until a full collection, and every young one copies them all (docs/decisions/memory.md).
 * Objects of classes are not counted.
 */
export function emptyList<T>(): T[] {
  return NOTHING.slice() as T[];
}

/**
 * Buffers for messages on their way out; each goes back when it is written. Short ones are apart: of a
 * thousand streams hundreds write at once.
 */
export class MessageBuffers {
  readonly #short: Uint8Array[] = [];
  readonly #free: Uint8Array[] = [];

  /** A buffer for `length` bytes, at most MESSAGE_BYTES. */
  take(length: number): Uint8Array {
    return length <= SHORT_BYTES
      ? this.#short.pop() ?? new Uint8Array(SHORT_BYTES)
      : this.#free.pop() ?? new Uint8Array(MESSAGE_BYTES);
  }

  /** Takes back what `take` gave; memory of any other length is none of its own. */
  giveBack(buffer: Uint8Array): void {
    if (buffer.length === SHORT_BYTES) {
      if (this.#short.length < MAX_FREE_SHORT) this.#short.push(buffer);
    } else if (buffer.length === MESSAGE_BYTES && this.#free.length < MAX_FREE) {
      this.#free.push(buffer);
    }
  }
}

/** Carves pieces that live as long as somebody keeps them out of larger ones. */
export class Slab {
  #slab = new Uint8Array(0);
  #at = 0;

  /** `length` bytes, not zeroed by anyone but the first user of a slab. */
  take(length: number): Uint8Array<ArrayBuffer> {
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

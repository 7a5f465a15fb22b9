// Copies of events that wait, in memory that several share: each would cost as much to get as to fill.

import { joined } from "../../http/joined.ts";

const BLOCK_BYTES = 4096;
const NO_BLOCK = new Uint8Array(0);

export class Copies {
  #block: Uint8Array = NO_BLOCK;
  #used = 0;

  /** The same bytes in memory of their own. */
  of(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (length > BLOCK_BYTES / 2) return bytes.slice();
    const from = this.#room(length);
    this.#block.set(bytes, from);
    return this.#block.subarray(from, from + length);
  }

  /** All of `pieces`, which have `length` bytes together, in their order. */
  joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
    if (length > BLOCK_BYTES / 2) return joined(pieces);
    const from = this.#room(length);
    let at = from;
    for (let i = 0; i < pieces.length; i++) {
      this.#block.set(pieces[i], at);
      at += pieces[i].length;
    }
    return this.#block.subarray(from, at);
  }

  /** Where so many bytes may be written. */
  #room(length: number): number {
    if (this.#used + length > this.#block.length) {
      this.#block = new Uint8Array(BLOCK_BYTES);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += length;
    return from;
  }
}

// Bytes of unknown number, gathered in memory of their own that is given back when they are put together, not
// when the collector comes: of a body of 64 MB it would have twice as much to find.

import { Turns } from "./turns.ts";

const FIRST_BYTES = 16 * 1024;
/** What is longer is kept in several blocks: doubling one of tens of megabytes would keep others waiting. */
const BLOCK_BYTES = 2 * 1024 * 1024;
const COPIED_BYTES = 1024 * 1024;

export class Blocks {
  readonly #full: Uint8Array<ArrayBuffer>[] = [];
  #block = new Uint8Array(FIRST_BYTES);
  #filled = 0;
  /** How many there are. */
  size = 0;

  /** A copy of `bytes` behind what there is. */
  add(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length);
    this.#block.set(bytes, this.#filled);
    this.#filled += bytes.length;
    this.size += bytes.length;
  }

  #makeRoom(length: number): void {
    const needed = this.#filled + length;
    if (needed <= this.#block.length) return;
    if (this.#filled > BLOCK_BYTES) {
      this.#full.push(this.#block.subarray(0, this.#filled));
      this.#block = new Uint8Array(Math.max(length, BLOCK_BYTES * 2));
      this.#filled = 0;
    } else {
      const larger = new Uint8Array(Math.max(needed, this.#block.length * 2));
      larger.set(this.#block);
      giveBack(this.#block);
      this.#block = larger;
    }
  }

  /** All of them in one piece; others run while it is made. Nothing is left here. */
  async joined(): Promise<Uint8Array> {
    const last = this.#block.subarray(0, this.#filled);
    if (this.#full.length === 0) return last;
    const turns = new Turns();
    const whole = new Uint8Array(this.size);
    let at = 0;
    for (const block of [...this.#full.splice(0), last]) {
      for (let from = 0; from < block.length; from += COPIED_BYTES) {
        whole.set(block.subarray(from, from + COPIED_BYTES), at + from);
        await turns.next();
      }
      at += block.length;
      giveBack(block);
    }
    return whole;
  }

  /** Gives up what there is. */
  drop(): void {
    for (const block of this.#full.splice(0)) giveBack(block);
    giveBack(this.#block);
  }
}

/** Frees the memory of `bytes`, all of it, at once; nobody may use it any more. */
export function giveBack(bytes: Uint8Array<ArrayBuffer>): void {
  bytes.buffer.transfer(0);
}

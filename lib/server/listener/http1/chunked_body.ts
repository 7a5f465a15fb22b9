// A body of unknown length, put together from the chunks that come of it.

import { ChunkedDecoder } from "../../../http/chunked.ts";
import { joinedInTurns } from "../../../http/turns.ts";
import { tooLarge } from "./request.ts";

const FIRST_BYTES = 16 * 1024;
/** A body beyond this is kept in blocks. */
const BLOCK_BYTES = 2 * 1024 * 1024;

export class ChunkedBody {
  readonly #decoder = new ChunkedDecoder();
  // Blocks that are full; doubling one of tens of megabytes would keep others waiting.
  readonly #full: Uint8Array[] = [];
  #block = new Uint8Array(FIRST_BYTES);
  #filled = 0;
  /** Bytes of the body that have come. */
  size = 0;

  /** @param limit The most that it may be, in bytes. */
  constructor(private readonly limit: number) {}

  /** Whether its end has come. */
  get isWhole(): boolean {
    return this.#decoder.done;
  }

  /**
   * Takes what it can of bytes[start, end), and returns where it stopped: behind its end, or before a
   * fault, which the next call tells. Throws RequestError beyond the limit, HttpSyntaxError at a fault.
   */
  take(bytes: Uint8Array, start: number, end: number): number {
    const piece = this.#decoder.decode(bytes, start, end);
    this.size += piece.length;
    if (this.size > this.limit) throw tooLarge(this.limit);
    this.#makeRoom(piece.length);
    this.#block.set(piece, this.#filled);
    this.#filled += piece.length;
    return this.#decoder.consumed;
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
      this.#block = larger;
    }
  }

  /** All of it, in one piece. */
  joined(): Promise<Uint8Array> {
    return joinedInTurns([...this.#full, this.#block.subarray(0, this.#filled)]);
  }
}

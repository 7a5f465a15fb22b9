// A body of unknown length, put together from the chunks that come of it.

import { Blocks } from "../../../http/blocks.ts";
import { ChunkedDecoder } from "../../../http/chunked.ts";
import { tooLarge } from "./request.ts";

export class ChunkedBody {
  readonly #decoder = new ChunkedDecoder();
  readonly #blocks = new Blocks();

  /** @param limit The most that it may be, in bytes. */
  constructor(private readonly limit: number) {}

  /** Bytes of the body that have come. */
  get size(): number {
    return this.#blocks.size;
  }

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
    if (this.size + piece.length > this.limit) throw tooLarge(this.limit);
    this.#blocks.add(piece);
    return this.#decoder.consumed;
  }

  /** All of it, in one piece. */
  joined(): Promise<Uint8Array> {
    return this.#blocks.joined();
  }

  /** Gives up what has come of it. */
  drop(): void {
    this.#blocks.drop();
  }
}

// The chunked transfer coding, decoded as it comes, for any split of the bytes (RFC 9112, section 7.1).

import { HttpSyntaxError } from "./syntax_error.ts";

/** Size lines with extensions, and the trailer section, may not be longer. */
const MAX_LINE_BYTES = 4096;
const MAX_TRAILER_BYTES = 16 * 1024;
const MAX_CHUNK_BYTES = 2 ** 40;

const enum State {
  SizeStart,
  Size,
  Extension,
  SizeLf,
  Data,
  DataCr,
  DataLf,
  TrailerStart,
  Trailer,
  TrailerLf,
  EndLf,
  End,
}

const CR = 13;
const LF = 10;

export class ChunkedDecoder {
  #state = State.SizeStart;
  /** Bytes of the current chunk that are still to come. */
  #left = 0;
  #lineBytes = 0;
  #trailerBytes = 0;

  /** Whether the last chunk and the trailer section have been read. */
  get done(): boolean {
    return this.#state === State.End;
  }

  /** Where the last `decode` stopped reading: bytes after it belong to what follows the body. */
  consumed = 0;

  /**
   * Decodes bytes[start, end) in place: chunk data is moved together within the range. Returns the data
   * as one view of `bytes`, which is empty when the range held none. Throws HttpSyntaxError; where data
   * stands before the fault, it is returned, and the next call throws.
   */
  decode(bytes: Uint8Array, start: number, end: number): Uint8Array {
    let at = start;
    let from = -1;
    let to = start;
    while (at < end && this.#state !== State.End) {
      if (this.#state === State.Data) {
        const take = Math.min(this.#left, end - at);
        if (from < 0) {
          from = at;
          to = at + take;
        } else {
          if (to !== at) bytes.copyWithin(to, at, at + take);
          to += take;
        }
        at += take;
        this.#left -= take;
        if (this.#left === 0) this.#state = State.DataCr;
        continue;
      }
      try {
        this.#step(bytes[at]);
      } catch (error) {
        if (from < 0) throw error;
        // What came before the fault is good, and may be the end of an answer: the fault is met again.
        break;
      }
      at++;
    }
    this.consumed = at;
    return from < 0 ? bytes.subarray(start, start) : bytes.subarray(from, to);
  }

  #step(byte: number): void {
    switch (this.#state) {
      case State.SizeStart:
        this.#left = hex(byte);
        if (this.#left < 0) throw new HttpSyntaxError("malformed chunk size");
        this.#lineBytes = 1;
        this.#state = State.Size;
        return;
      case State.Size: {
        const digit = hex(byte);
        if (digit >= 0) {
          this.#left = this.#left * 16 + digit;
          if (this.#left > MAX_CHUNK_BYTES || ++this.#lineBytes > 16) {
            throw new HttpSyntaxError("chunk size too large");
          }
        } else if (byte === CR) this.#state = State.SizeLf;
        else if (byte === 59 /* ; */) this.#state = State.Extension;
        else throw new HttpSyntaxError("malformed chunk size");
        return;
      }
      case State.Extension:
        if (byte === CR) this.#state = State.SizeLf;
        else if ((byte < 32 && byte !== 9) || byte === 127 || ++this.#lineBytes > MAX_LINE_BYTES) {
          throw new HttpSyntaxError("malformed chunk extension");
        }
        return;
      case State.SizeLf:
        expectLf(byte);
        this.#state = this.#left === 0 ? State.TrailerStart : State.Data;
        return;
      case State.DataCr:
        if (byte !== CR) throw new HttpSyntaxError("chunk data longer than its size");
        this.#state = State.DataLf;
        return;
      case State.DataLf:
        expectLf(byte);
        this.#state = State.SizeStart;
        return;
      case State.TrailerStart:
        if (byte === CR) {
          this.#state = State.EndLf;
          return;
        }
        this.#state = State.Trailer;
        this.#trailer(byte);
        return;
      case State.Trailer:
        if (byte === CR) this.#state = State.TrailerLf;
        else this.#trailer(byte);
        return;
      case State.TrailerLf:
        expectLf(byte);
        this.#state = State.TrailerStart;
        return;
      case State.EndLf:
        expectLf(byte);
        this.#state = State.End;
        return;
    }
  }

  #trailer(byte: number): void {
    if (
      (byte < 32 && byte !== 9) || byte === 127 || ++this.#trailerBytes > MAX_TRAILER_BYTES
    ) throw new HttpSyntaxError("malformed trailer section");
  }
}

function expectLf(byte: number): void {
  if (byte !== LF) throw new HttpSyntaxError("a bare CR in the chunked coding");
}

function hex(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 97 && byte <= 102) return byte - 87;
  if (byte >= 65 && byte <= 70) return byte - 55;
  return -1;
}

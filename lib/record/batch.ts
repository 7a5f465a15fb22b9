// Lines that wait for their file: small ones gathered in one buffer, large ones as they are; and those of one
// folder, which go on gathering while some are written.

import { TextBuffer } from "../observe/text_buffer.ts";

/** Bytes from which a piece is not copied to stand beside others. */
const LARGE_BYTES = 256 * 1024;

class Batch {
  lines = 0;
  /** Captures whose lines are here. */
  captures = 0;
  readonly #text = new TextBuffer();
  #large: Uint8Array[] = [];
  #largeBytes = 0;

  get length(): number {
    return this.#text.length + this.#largeBytes;
  }

  /** Adds the lines of one capture, each in pieces. */
  add(lines: readonly (readonly (string | Uint8Array)[])[]): void {
    for (const pieces of lines) {
      for (const piece of pieces) {
        if (typeof piece === "string") this.#text.append(piece);
        else this.#text.appendBytes(piece);
      }
    }
    this.lines += lines.length;
    this.captures++;
  }

  /** Adds the lines of one capture in one piece, which is whole lines. */
  addBytes(lines: number, bytes: Uint8Array): void {
    if (bytes.length < LARGE_BYTES) this.#text.appendBytes(bytes);
    else {
      this.#large.push(bytes);
      this.#largeBytes += bytes.length;
    }
    this.lines += lines;
    this.captures++;
  }

  /** All lines, in pieces of whole ones; valid until the next change. */
  pieces(): readonly Uint8Array[] {
    return [this.#text.bytes(), ...this.#large];
  }

  clear(): void {
    this.#text.clear();
    this.#large = [];
    this.#largeBytes = this.lines = this.captures = 0;
  }
}

/** The lines of one folder. */
export class Lines {
  /** Takes what comes. */
  gathering = new Batch();
  /** Does not change while it is written, and stays where the disk has refused it. */
  #leaving = new Batch();

  /** Bytes of all. */
  get length(): number {
    return this.gathering.length + this.#leaving.length;
  }

  /** What is to be written next, and to be cleared then; without lines where nothing waits. */
  next(): Batch {
    if (this.#leaving.lines === 0) {
      [this.#leaving, this.gathering] = [this.gathering, this.#leaving];
    }
    return this.#leaving;
  }

  clear(): void {
    this.gathering.clear();
    this.#leaving.clear();
  }
}

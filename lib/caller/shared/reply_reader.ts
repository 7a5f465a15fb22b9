// What a Redis or Valkey server answers (RESP2), out of bytes that come in any pieces.

import { Buffer } from "node:buffer";

/** An error is the server's word for a command that it did not do. */
export type Reply = string | number | null | Error | Reply[];

const CR = 13;
/** Longer ones are none of a script's. */
const MAX_BYTES = 64 * 1024 * 1024;
const UNFINISHED = Symbol("unfinished");

export class ReplyReader {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Takes what came, and gives all answers that are whole by now. Throws Error for what is none. */
  take(bytes: Uint8Array): Reply[] {
    const more = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#bytes = this.#bytes.length === 0 ? more : Buffer.concat([this.#bytes, more]);
    if (this.#bytes.length > MAX_BYTES) throw new Error("the server's answer is too long");
    const replies: Reply[] = [];
    let end = 0;
    this.#at = 0;
    for (;;) {
      const reply = this.#next();
      if (reply === UNFINISHED) break;
      replies.push(reply);
      end = this.#at;
    }
    // Copied: the caller reads into the same memory again.
    this.#bytes = Buffer.from(this.#bytes.subarray(end));
    return replies;
  }

  #next(): Reply | typeof UNFINISHED {
    const end = this.#bytes.indexOf(CR, this.#at);
    if (end < 0 || end + 2 > this.#bytes.length) return UNFINISHED;
    const kind = this.#bytes[this.#at];
    const line = this.#bytes.toString("utf8", this.#at + 1, end);
    this.#at = end + 2;
    switch (String.fromCharCode(kind)) {
      case "+":
        return line;
      case "-":
        return new Error(line);
      case ":":
        return Number(line);
      case "$":
        return this.#text(Number(line));
      case "*":
        return this.#list(Number(line));
      default:
        throw new Error("the server speaks another protocol");
    }
  }

  #text(length: number): Reply | typeof UNFINISHED {
    if (length < 0) return null;
    const end = this.#at + length;
    if (end + 2 > this.#bytes.length) return UNFINISHED;
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 2;
    return text;
  }

  #list(length: number): Reply | typeof UNFINISHED {
    if (length < 0) return null;
    const list: Reply[] = [];
    for (let index = 0; index < length; index++) {
      const one = this.#next();
      if (one === UNFINISHED) return UNFINISHED;
      list.push(one);
    }
    return list;
  }
}

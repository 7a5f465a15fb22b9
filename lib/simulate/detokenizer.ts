// Token ids to text as they come: a character of several tokens shows with its last one. What a token
// means is left to tokenizer.ts.

import { byteOf, isSpecial, textOfBytes, tokenText } from "./tokenizer.ts";

export class Detokenizer {
  #bytes: number[] = [];

  /** `hidesSpecial`: the marks of turns and ends have no text (`skip_special_tokens`). */
  constructor(private readonly hidesSpecial: boolean) {}

  /** The text that is certain with one more token; empty within a character. */
  push(id: number): string {
    const byte = byteOf(id);
    if (byte === null) {
      return this.end() + (this.hidesSpecial && isSpecial(id) ? "" : tokenText(id));
    }
    const broken = byte >= 0xC0 || this.#bytes.length === 0 ? this.end() : "";
    this.#bytes.push(byte);
    return broken + (this.#bytes.length < length(this.#bytes[0]) ? "" : this.end());
  }

  /** What is left of a character that did not come whole. */
  end(): string {
    const text = textOfBytes(this.#bytes);
    this.#bytes = [];
    return text;
  }
}

/** Bytes of the UTF-8 character that begins with `first`. */
export function length(first: number): number {
  return first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
}

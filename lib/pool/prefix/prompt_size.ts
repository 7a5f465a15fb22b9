// How large a prompt is, and about how many tokens it has before anybody has counted them.

import { endOfBlob, LONG_BYTES, startOfBlob } from "./blob.ts";
import type { Prompt } from "./chain.ts";

/** Of English text it is 0.25; a template adds to it. */
const USUAL_TOKENS_PER_BYTE = 0.3;
/** What an image or another long value counts as. */
const MEDIA_TOKENS = 1000;

/** What is known of a prompt's size. */
export interface PromptSize {
  /** Of text. */
  readonly bytes: number;
  /** Images and the like. */
  readonly media: number;
  /** Tokens, where the prompt is given as such. */
  readonly ids: number | null;
}

/** The size of the prompt that stands in `body`. */
export function sizeOf(body: Uint8Array, { parts, moreBytes, ids }: Prompt): PromptSize {
  let bytes = moreBytes;
  let media = 0;
  for (let part = 0; part < parts.length; part++) {
    const { start, end } = parts[part];
    bytes += end - start;
    for (let at = start; at + LONG_BYTES <= end;) {
      const blob = startOfBlob(body, at, end);
      if (blob < 0) break;
      at = endOfBlob(body, blob, end);
      bytes -= at - blob;
      media++;
    }
  }
  return { bytes, media, ids };
}

/** Tokens of a prompt of this size, where a byte of its text is so many. */
export function tokensOf(
  { bytes, media, ids }: PromptSize,
  perByte: number = USUAL_TOKENS_PER_BYTE,
): number {
  return ids ?? Math.ceil(bytes * perByte) + media * MEDIA_TOKENS;
}

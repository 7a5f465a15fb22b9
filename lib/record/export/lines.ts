// Reads a file of records line by line.

import { isObject, type Json } from "../../sse/assemble/answer.ts";

const LF = 10;

/** The records of `path`; null for a line that is no record, such as one that a crash cut off. */
export async function* recordLines(path: string): AsyncGenerator<Json | null> {
  using file = await Deno.open(path);
  const decoder = new TextDecoder();
  const piece = new Uint8Array(256 * 1024);
  /** Pieces of a line that has not ended. */
  let carry: Uint8Array[] = [];
  for (;;) {
    const count = await file.read(piece);
    if (count === null) break;
    const bytes = piece.subarray(0, count);
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      carry.push(bytes.subarray(start, end));
      const line = text(decoder, carry);
      carry = [];
      start = end + 1;
      if (line.trim() !== "") yield parsed(line);
    }
    if (start < count) carry.push(bytes.slice(start));
  }
  const rest = text(decoder, carry);
  if (rest.trim() !== "") yield parsed(rest);
}

function text(decoder: TextDecoder, pieces: readonly Uint8Array[]): string {
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") +
    decoder.decode();
}

function parsed(line: string): Json | null {
  try {
    const value = JSON.parse(line);
    return isObject(value) ? value : null;
  } catch {
    // Torn; the caller counts it.
    return null;
  }
}

// Reads a file of records line by line.

import { isObject, type Json } from "../../sse/assemble/answer.ts";

const LF = 10;

/**
 * The records of `path`, up to the byte `end` when given; null for a line that is no record, such as
 * one that a crash cut off. `onRead` hears of each piece of the file, in bytes.
 */
export async function* recordLines(
  path: string,
  end = Infinity,
  onRead: (bytes: number) => void = () => {},
): AsyncGenerator<Json | null> {
  using file = await Deno.open(path);
  const decoder = new TextDecoder();
  const piece = new Uint8Array(256 * 1024);
  /** Pieces of a line that has not ended. */
  let carry: Uint8Array[] = [];
  for (let read = 0; read < end;) {
    const count = await file.read(piece);
    if (count === null) break;
    const bytes = piece.subarray(0, Math.min(count, end - read));
    read += count;
    onRead(bytes.length);
    let start = 0;
    for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, start)) {
      carry.push(bytes.subarray(start, at));
      const line = text(decoder, carry);
      carry = [];
      start = at + 1;
      if (line.trim() !== "") yield parsed(line);
    }
    if (start < bytes.length) carry.push(bytes.slice(start));
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

// Reads a file of records line by line, packed or not.

import { readLines } from "../../observe/packed_file.ts";
import { isObject, type Json } from "../../json/json.ts";

const LF = 10;

/**
 * The records of `path`, up to the byte `end` when given; null for a line that is no record, such as
 * one that a crash cut off. `onRead` hears of each piece of the file, in bytes on the disk.
 */
export async function* recordLines(
  path: string,
  end = Infinity,
  onRead: (bytes: number) => void = () => {},
): AsyncGenerator<Json | null> {
  const decoder = new TextDecoder();
  /** Pieces of a line that has not ended. */
  let carry: Uint8Array[] = [];
  let read = 0;
  for await (const piece of await readLines(path, onRead)) {
    const bytes = piece.subarray(0, Math.min(piece.length, end - read));
    read += piece.length;
    let start = 0;
    for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, start)) {
      carry.push(bytes.subarray(start, at));
      const line = text(decoder, carry);
      carry = [];
      start = at + 1;
      if (line.trim() !== "") yield parsed(line);
    }
    if (start < bytes.length) carry.push(bytes.slice(start));
    if (read >= end) break;
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

// Files of lines read from their end, in pieces: what is newest comes first, and what is not asked for is
// not read. What a line means is left to whoever asks.

import { Turns } from "../http/turns.ts";
import { openAnywhere } from "./packed_file.ts";

const PIECE = 64 * 1024;
/** Longer lines (pictures) are named and not read. */
const MAX_LINE = 4 * 1024 * 1024;
const LF = 10;

/** A line where it stands. */
export interface Line {
  offset: number;
  length: number;
  /** null for one that is too long. */
  bytes: Uint8Array | null;
}

/**
 * The whole lines of a file that end at `end` or before, the last first. One that has become shorter since is read
 * from where it ends now. Each piece waits for its turn.
 */
export async function* linesBackwards(
  path: string,
  end: number | null,
  turns = new Turns(),
): AsyncGenerator<Line> {
  using file = await open(path, turns);
  if (file === null) return;
  const { size } = await file.stat();
  let position = Math.min(end ?? size, size);
  /** Pieces of the line whose begin is not found yet, the first piece last. */
  let carry: Uint8Array[] = [];
  let length = 0;
  // What follows the last line feed is a line that is being written.
  let whole = false;
  const take = (piece: Uint8Array) => {
    length += piece.length;
    if (length <= MAX_LINE) carry.push(piece);
    else carry = [];
  };
  const line = (offset: number): Line => {
    const bytes = length > MAX_LINE ? null : joined(carry, length);
    const found = { offset, length, bytes };
    carry = [];
    length = 0;
    return found;
  };
  while (position > 0) {
    await turns.next();
    const start = Math.max(0, position - PIECE);
    const piece = await readAt(file, start, position - start);
    let until = piece.length;
    for (
      let at = piece.lastIndexOf(LF);
      at >= 0;
      at = at === 0 ? -1 : piece.lastIndexOf(LF, at - 1)
    ) {
      if (whole) {
        take(piece.subarray(at + 1, until));
        if (length > 0) yield line(start + at + 1);
      } else {
        carry = [];
        length = 0;
      }
      whole = true;
      until = at;
    }
    if (whole) take(piece.subarray(0, until));
    position = start;
  }
  if (whole && length > 0) yield line(0);
}

/** The line that begins at `offset`, without its end; null where none stands whole, or one too long. */
export async function lineAt(
  path: string,
  offset: number,
  turns = new Turns(),
): Promise<Uint8Array | null> {
  using file = await open(path, turns);
  if (file === null || offset >= (await file.stat()).size) return null;
  const pieces: Uint8Array[] = [];
  for (let length = 0; length <= MAX_LINE;) {
    await turns.next();
    const piece = await readAt(file, offset + length, PIECE);
    if (piece.length === 0) return null;
    const end = piece.indexOf(LF);
    pieces.unshift(end < 0 ? piece : piece.subarray(0, end));
    length += end < 0 ? piece.length : end;
    if (end >= 0) return joined(pieces, length);
  }
  return null;
}

async function open(path: string, turns: Turns): Promise<Deno.FsFile | null> {
  try {
    return await openAnywhere(path, turns);
  } catch (error) {
    // Moved away or deleted since the folder was listed.
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Up to `length` bytes from `start`; fewer at the end of the file. */
async function readAt(file: Deno.FsFile, start: number, length: number): Promise<Uint8Array> {
  const piece = new Uint8Array(length);
  await file.seek(start, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < length) {
    const count = await file.read(piece.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return piece.subarray(0, filled);
}

/** Pieces that were found from the end to the begin. */
function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(length);
  let at = length;
  for (const piece of pieces) whole.set(piece, at -= piece.length);
  return whole;
}

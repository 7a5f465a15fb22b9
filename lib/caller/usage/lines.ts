// Reads the lines of a usage file, piece by piece, so that its size does not matter and nobody waits long.

import { joined } from "../../http/joined.ts";
import { Turns } from "../../http/turns.ts";
import { type Line, readLine } from "./row.ts";

const PIECE = 64 * 1024;
const LF = 10;

/** What was found between two positions of a file. */
export interface Found {
  /** Behind the last whole line: what follows was cut off by a crash, or is being written. */
  readonly end: number;
  /** Whole lines that say nothing. */
  readonly odd: number;
  /** The number of the first of them in the file, from 1; null without any. */
  readonly firstOdd: number | null;
}

/** Tells `onLine` of every line of `file` between two positions, the first a line's begin. */
export async function readLines(
  file: Deno.FsFile,
  from: number,
  to: number,
  onLine: (line: Line) => void,
  turns = new Turns(),
): Promise<Found> {
  const decoder = new TextDecoder();
  const piece = new Uint8Array(PIECE);
  await file.seek(from, Deno.SeekMode.Start);
  let open: Uint8Array[] = [];
  let [at, end, odd] = [from, from, 0];
  let oddAt: number | null = null;
  const take = (bytes: Uint8Array) => {
    const line = readLine(decoder.decode(bytes));
    if (line !== null) return onLine(line);
    odd++;
    oddAt ??= end;
  };
  while (at < to) {
    await turns.next();
    const count = await file.read(piece.subarray(0, Math.min(PIECE, to - at)));
    if (count === null) break;
    let start = 0;
    for (;;) {
      const found = piece.indexOf(LF, start);
      if (found < 0 || found >= count) break;
      const rest = piece.subarray(start, found);
      take(joined([...open, rest]));
      open = [];
      start = found + 1;
      end = at + start;
    }
    if (start < count) open.push(piece.slice(start, count));
    at += count;
  }
  const firstOdd = oddAt === null ? null : await lineAt(file, oddAt, turns);
  return { end, odd, firstOdd };
}

/** The number of the line that begins at a position. */
async function lineAt(file: Deno.FsFile, position: number, turns: Turns): Promise<number> {
  const piece = new Uint8Array(PIECE);
  await file.seek(0, Deno.SeekMode.Start);
  let line = 1;
  for (let at = 0; at < position;) {
    await turns.next();
    const count = await file.read(piece.subarray(0, Math.min(PIECE, position - at)));
    if (count === null) break;
    for (let k = 0; k < count; k++) if (piece[k] === LF) line++;
    at += count;
  }
  return line;
}

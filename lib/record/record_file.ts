// Appends whole lines to a file of records, and mends one that a crash left with half a line. When
// and what to write is left to the writer.

import { basename, dirname, join } from "node:path";
import { mustBeFile } from "../files/regular.ts";
import { fileWords } from "../observe/file_words.ts";

/** Read backwards in pieces of this size for the last line's begin. */
const PIECE = 64 * 1024;
/** Written in one go: the runtime copies it, while others wait. */
const WRITE_BYTES = 4 * 1024 * 1024;
const LF = 10;

/** Where lines that were cut off by a crash go, below the data folder. */
const TORN_FOLDER = "incomplete";

/** Where conversations lie as they were before policies changed them, for the gateway's own user alone. */
export const FLAGGED_FOLDER = "flagged";

/** An append that failed; nothing of it is left in the file. */
class AppendError extends Error {
  constructor(readonly path: string, override readonly cause: unknown) {
    super(`${path}: ${fileWords(cause)}`);
    this.name = "AppendError";
  }
}

/**
 * Appends `pieces`, each of whole lines, to `path`; folders are made as needed. `knownSize` is the
 * size after the append before: a file of another size was written by someone else or belongs to an
 * earlier run, and is mended first. Returns the new size. Throws AppendError, with nothing appended.
 */
export async function appendLines(
  dataDir: string,
  path: string,
  pieces: readonly Uint8Array[],
  knownSize: number | undefined,
): Promise<number> {
  try {
    using file = await openForAppend(path);
    // Two processes share the file while one takes over from the other; closing it gives the lock back.
    await file.lock(true);
    const found = await file.stat();
    mustBeFile(found);
    let { size } = found;
    if (size > 0 && size !== knownSize) size = await mend(dataDir, path, size);
    return size + await writeWhole(file, path, pieces, size);
  } catch (error) {
    throw new AppendError(path, error);
  }
}

/** Opened anew for each batch, so that a file that was deleted or moved away is simply made again. */
async function openForAppend(path: string): Promise<Deno.FsFile> {
  const isPrivate = isFlagged(path);
  const mode = isPrivate ? 0o600 : 0o640;
  const options: Deno.OpenOptions = { read: true, append: true, create: true, mode };
  try {
    return await Deno.open(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(join(path, ".."), {
      recursive: true,
      mode: isPrivate ? 0o700 : 0o750,
    });
    return await Deno.open(path, options);
  }
}

function isFlagged(path: string): boolean {
  return basename(dirname(path)) === FLAGGED_FOLDER;
}

/**
 * A write may take a part only. One that fails is taken back, so that no half line stays. Returns how
 * many bytes were written.
 */
async function writeWhole(
  file: Deno.FsFile,
  path: string,
  pieces: readonly Uint8Array[],
  size: number,
): Promise<number> {
  let at = 0;
  try {
    for (const bytes of pieces) {
      for (let from = 0; from < bytes.length;) {
        const count = await file.write(bytes.subarray(from, from + WRITE_BYTES));
        if (count === 0) throw new Error("the file took no bytes");
        from += count;
        at += count;
      }
    }
    return at;
  } catch (error) {
    // By its path: on Windows a file opened for appending cannot be cut.
    if (at > 0) await Deno.truncate(path, size);
    throw error;
  }
}

/**
 * Cuts a last line without its end off the file and keeps it under TORN_FOLDER. Returns the size of
 * the file after that.
 */
async function mend(dataDir: string, path: string, size: number): Promise<number> {
  using file = await Deno.open(path, { read: true, write: true });
  const whole = await endOfLastLine(file, size);
  if (whole === size) return size;
  if (isFlagged(path)) {
    // Half of it would lie where others read.
    await file.truncate(whole);
    return whole;
  }
  const torn = join(dataDir, TORN_FOLDER, `${basename(path)}.torn`);
  using kept = await openForAppend(torn);
  const before = (await kept.stat()).size;
  await file.seek(whole, Deno.SeekMode.Start);
  const piece = new Uint8Array(PIECE);
  let keptSize = before;
  for (;;) {
    const count = await file.read(piece);
    if (count === null) break;
    await writeWhole(kept, torn, [piece.subarray(0, count)], keptSize);
    keptSize += count;
  }
  await writeWhole(kept, torn, [new Uint8Array([LF])], keptSize);
  await file.truncate(whole);
  return whole;
}

/** Position after the last line feed; 0 when there is none. */
export async function endOfLastLine(file: Deno.FsFile, size: number): Promise<number> {
  const piece = new Uint8Array(PIECE);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - PIECE);
    await file.seek(start, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < end - start) {
      const count = await file.read(piece.subarray(filled, end - start));
      if (count === null) break;
      filled += count;
    }
    const found = piece.subarray(0, filled).lastIndexOf(LF);
    if (found >= 0) return start + found + 1;
    end = start;
  }
  return 0;
}

/** Mends the newest files of a folder: only one that was being written when a run ended can be torn. */
export async function mendNewest(dataDir: string, folder: string, count: number): Promise<void> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(join(dataDir, folder))) {
      if (entry.isFile && /^\d{8}_\d{2}\.jsonl$/.test(entry.name)) names.push(entry.name);
    }
  } catch (error) {
    // Nothing was ever recorded here.
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const name of names.sort().slice(-count)) {
    const path = join(dataDir, folder, name);
    using file = await openForAppend(path);
    await file.lock(true);
    const { size } = await file.stat();
    if (size > 0) await mend(dataDir, path, size);
  }
}

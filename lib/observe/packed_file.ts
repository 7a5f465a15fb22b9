// Hourly files that are over can be packed: `HOUR.jsonl` becomes `HOUR.jsonl.gz`. Whoever reads asks for the
// plain name and gets the lines of both. While one becomes the other there are both as well, and the plain one
// is whole.

import { dirname } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { putInPlace, removeIfThere } from "../files/replace.ts";
import { writeAll } from "../files/write_all.ts";
import { Turns } from "../http/turns.ts";

export const PACKED = ".gz";

const UNPACKED_CHUNK = 64 * 1024;
const LF = 10;

/** A packed file that was cut off or is none. */
export class DamagedFile extends Error {
  constructor(readonly path: string, override readonly cause: unknown) {
    super(`${path} is damaged and cannot be unpacked to its end`);
    this.name = "DamagedFile";
  }
}

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * The bytes of `path`: of its packed file, then of its plain one. `onRead` hears of what was read of the disk.
 * Reading throws DamagedFile where a packed file that stands alone is not whole.
 */
export async function readLines(
  path: string,
  onRead: (bytes: number) => void = () => {},
): Promise<ReadableStream<Bytes>> {
  return ReadableStream.from(bytesOf(await openedFor(path), path, onRead));
}

/** Files that are open, in the order of their lines. */
interface Opened {
  readonly packed: Deno.FsFile | null;
  readonly plain: Deno.FsFile | null;
}

async function* bytesOf(
  { packed, plain }: Opened,
  path: string,
  onRead: (bytes: number) => void,
): AsyncGenerator<Bytes> {
  // Whoever stops early closes both.
  using _packed = packed;
  using _plain = plain;
  if (packed !== null && plain === null) yield* unpacked(counted(packed, onRead), path);
  else if (packed !== null) yield* linesBefore(packed, path, onRead);
  if (plain !== null) yield* counted(plain, onRead);
}

/** What is packed, where plain lines follow: one that a crash had cut off costs itself alone. */
async function* linesBefore(
  packed: Deno.FsFile,
  path: string,
  onRead: (bytes: number) => void,
): AsyncGenerator<Bytes> {
  let last = LF;
  for await (const bytes of unpacked(counted(packed, onRead), path)) {
    last = bytes.at(-1) ?? last;
    yield bytes;
  }
  if (last !== LF) yield new Uint8Array([LF]);
}

async function* counted(
  file: Deno.FsFile,
  onRead: (bytes: number) => void,
): AsyncGenerator<Bytes> {
  for (;;) {
    const piece = new Uint8Array(UNPACKED_CHUNK);
    const count = await file.read(piece);
    if (count === null) return;
    onRead(count);
    yield piece.subarray(0, count);
  }
}

async function* unpacked(packed: AsyncIterable<Bytes>, path: string): AsyncGenerator<Bytes> {
  // Not DecompressionStream, which refuses what follows a first member (`cat a.gz b.gz`).
  const gunzip = createGunzip({ chunkSize: UNPACKED_CHUNK });
  // What goes wrong is thrown to whoever reads.
  pipeline(Readable.from(packed), gunzip, () => {});
  try {
    yield* gunzip;
  } catch (error) {
    if (!(error as { code?: string }).code?.startsWith("Z_")) throw error;
    throw new DamagedFile(path.endsWith(PACKED) ? path : path + PACKED, error);
  }
}

/**
 * `path` for reading at any place. A packed one is unpacked into a file beside it that has no name any more
 * when this returns (where the system allows that), so that nothing of it stays.
 */
export async function openAnywhere(path: string, turns = new Turns()): Promise<Deno.FsFile> {
  const opened = await openedFor(path);
  if (opened.packed === null) return opened.plain!;
  const name = await Deno.makeTempFile({ dir: dirname(path), prefix: ".unpacked-" });
  const whole = await Deno.open(name, { read: true, write: true });
  try {
    // Not by a pipe, which may end before its last write has.
    for await (const bytes of bytesOf(opened, path, () => {})) {
      await writeAll(whole, bytes);
      await turns.next();
    }
  } catch (error) {
    whole.close();
    throw error;
  } finally {
    await Deno.remove(name);
  }
  return whole;
}

/** How far the lines of `path` go at this moment; Infinity for a packed file alone, which grows no more. */
export async function lengthNow(path: string): Promise<number> {
  const { packed, plain } = await openedFor(path);
  using _packed = packed;
  using _plain = plain;
  if (plain === null) return Infinity;
  const { size } = await plain.stat();
  return size + (packed === null ? 0 : await lengthBefore(packed, path));
}

/** How many bytes of lines are packed before those of the plain file; 0 where there is no plain one. */
export async function packedBefore(path: string): Promise<number> {
  const { packed, plain } = await openedFor(path);
  using _packed = packed;
  using _plain = plain;
  return packed === null || plain === null ? 0 : await lengthBefore(packed, path);
}

async function lengthBefore(packed: Deno.FsFile, path: string): Promise<number> {
  let length = 0;
  for await (const bytes of linesBefore(packed, path, () => {})) length += bytes.length;
  return length;
}

/** Packs `path`, which is not written any more; nothing is lost wherever it is cut off. */
export async function pack(path: string): Promise<void> {
  const { mode } = await Deno.stat(path);
  const unfinished = `${path}${PACKED}.new`;
  const file = await Deno.open(path);
  const packed = await Deno.open(unfinished, {
    write: true,
    create: true,
    truncate: true,
    mode: (mode ?? 0o640) & 0o777,
  });
  try {
    for await (const bytes of file.readable.pipeThrough(new CompressionStream("gzip"))) {
      await writeAll(packed, bytes);
    }
    await packed.sync();
  } finally {
    packed.close();
  }
  await Deno.rename(unfinished, `${path}${PACKED}`);
  await Deno.remove(path);
}

/** Puts what only the packed file of `path` has before the lines of its plain one. */
export async function joinPacked(path: string): Promise<void> {
  const opened = await openedFor(path);
  if (opened.packed === null || opened.plain === null) {
    opened.packed?.close();
    opened.plain?.close();
    return;
  }
  const name = await Deno.makeTempFile({ dir: dirname(path), prefix: ".joining-" });
  try {
    {
      using joined = await Deno.open(name, { write: true });
      for await (const bytes of bytesOf(opened, path, () => {})) await writeAll(joined, bytes);
    }
    if (Deno.build.os !== "windows") {
      await Deno.chmod(name, ((await Deno.stat(path)).mode ?? 0o640) & 0o777);
    }
    await putInPlace(name, path);
  } finally {
    await removeIfThere(name);
  }
}

/** Throws NotFound where there is neither. */
async function openedFor(path: string): Promise<Opened> {
  if (path.endsWith(PACKED)) return { packed: await Deno.open(path), plain: null };
  // In this order: what is packed meanwhile is found packed.
  const plain = await openIfThere(path);
  const packed = await openIfThere(path + PACKED);
  // Where there is neither, the plain name is the one to be told.
  if (packed === null) return { packed, plain: plain ?? await Deno.open(path) };
  if (plain === null) return { packed, plain };
  try {
    if (await hasOwnLines(packed, plain, path)) return { packed, plain };
  } catch (error) {
    packed.close();
    plain.close();
    throw error;
  }
  packed.close();
  return { packed: null, plain };
}

/**
 * Whether the plain lines do not begin with what is packed: they were written after the packing, by a clock that
 * had been ahead or was set back. Of a packed file that is damaged the plain one is the whole.
 */
async function hasOwnLines(
  packed: Deno.FsFile,
  plain: Deno.FsFile,
  path: string,
): Promise<boolean> {
  let isSame = true;
  try {
    for await (const bytes of unpacked(counted(packed, () => {}), path)) {
      isSame &&= isSameBytes(bytes, await readUpTo(plain, bytes.length));
    }
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error;
    isSame = true;
  }
  for (const file of [packed, plain]) await file.seek(0, Deno.SeekMode.Start);
  return !isSame;
}

/** null where there is no such file. */
export async function openIfThere(path: string): Promise<Deno.FsFile | null> {
  try {
    return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

async function readUpTo(file: Deno.FsFile, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

// Hourly files that are over can be packed: `HOUR.jsonl` becomes `HOUR.jsonl.gz`. Whoever reads asks for the
// plain name and gets the lines of whichever there is; while one becomes the other there are both, and the
// plain one is whole.

import { dirname } from "node:path";
import { putInPlace, removeIfThere } from "../files/replace.ts";
import { writeAll } from "../files/write_all.ts";

export const PACKED = ".gz";

/** A packed file that was cut off or is none. */
export class DamagedFile extends Error {
  constructor(readonly path: string, override readonly cause: unknown) {
    super(`${path} is damaged and cannot be unpacked to its end`);
    this.name = "DamagedFile";
  }
}

/**
 * The bytes of `path`, unpacked where it is packed. `onRead` hears of what was read of the disk. Reading
 * throws DamagedFile where a packed one is not whole.
 */
export async function readLines(
  path: string,
  onRead: (bytes: number) => void = () => {},
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const [file, isPacked] = await openEither(path);
  const counted = file.readable.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(bytes, controller) {
        onRead(bytes.length);
        controller.enqueue(bytes);
      },
    }),
  );
  return isPacked ? ReadableStream.from(unpacked(counted, path)) : counted;
}

async function* unpacked(
  packed: ReadableStream<Uint8Array<ArrayBuffer>>,
  path: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    yield* packed.pipeThrough(new DecompressionStream("gzip"));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DamagedFile(path.endsWith(PACKED) ? path : path + PACKED, error);
  }
}

/**
 * `path` for reading at any place. A packed one is unpacked into a file beside it that has no name any more
 * when this returns (where the system allows that), so that nothing of it stays.
 */
export async function openAnywhere(path: string): Promise<Deno.FsFile> {
  const [file, isPacked] = await openEither(path);
  if (!isPacked) return file;
  const name = await Deno.makeTempFile({ dir: dirname(path), prefix: ".unpacked-" });
  const plain = await Deno.open(name, { read: true, write: true });
  try {
    // Not by a pipe, which may end before its last write has.
    for await (const bytes of unpacked(file.readable, path)) await writeAll(plain, bytes);
  } catch (error) {
    plain.close();
    throw error;
  } finally {
    await Deno.remove(name);
  }
  return plain;
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

/**
 * Puts what is packed of `path` before its plain lines, where these do not begin with it: they were written after
 * the packing, by a clock that had been ahead or was set back. Of a packed file that is damaged the plain one is
 * the whole.
 */
export async function joinPacked(path: string): Promise<void> {
  const name = await Deno.makeTempFile({ dir: dirname(path), prefix: ".joining-" });
  try {
    using joined = await Deno.open(name, { write: true });
    using plain = await Deno.open(path);
    let isSame = true;
    try {
      const [packed] = await openEither(path + PACKED);
      for await (const bytes of unpacked(packed.readable, path)) {
        isSame &&= isSameBytes(bytes, await readUpTo(plain, bytes.length));
        await writeAll(joined, bytes);
      }
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof DamagedFile) return;
      throw error;
    }
    if (isSame) return;
    await plain.seek(0, Deno.SeekMode.Start);
    for await (const bytes of plain.readable) await writeAll(joined, bytes);
    if (Deno.build.os !== "windows") {
      await Deno.chmod(name, ((await Deno.stat(path)).mode ?? 0o640) & 0o777);
    }
    await putInPlace(name, path);
  } finally {
    await removeIfThere(name);
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

/** How far the lines of `path` go at this moment; Infinity for a packed file, which grows no more. */
export async function lengthNow(path: string): Promise<number> {
  const [file, isPacked] = await openEither(path);
  using _ = file;
  return isPacked ? Infinity : (await file.stat()).size;
}

async function openEither(path: string): Promise<[file: Deno.FsFile, isPacked: boolean]> {
  if (path.endsWith(PACKED)) return [await Deno.open(path), true];
  try {
    return [await Deno.open(path), false];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    try {
      return [await Deno.open(path + PACKED), true];
    } catch (packed) {
      // The plain name is what was asked for.
      throw packed instanceof Deno.errors.NotFound ? error : packed;
    }
  }
}

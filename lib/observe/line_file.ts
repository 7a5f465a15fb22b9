// Appends lines to a file that others may not read. A line that a crash cut off costs itself alone: the next batch
// begins on a line of its own. Of a batch that the system refuses nothing stays, so that it may be written again.

import { dirname } from "node:path";
import { mustBeFile } from "../files/regular.ts";
import { writeAll } from "../files/write_all.ts";

/** As chmod has them, of a file and of a folder that is made for it. */
export interface Modes {
  readonly file: number;
  readonly folder: number;
}

const OWNER_ALONE: Modes = { file: 0o600, folder: 0o700 };

const LF = 10;

/** For the gateway's own user alone. */
export function appendPrivately(path: string, bytes: Uint8Array): Promise<void> {
  return appendLines(path, bytes, OWNER_ALONE);
}

/** Opened anew for each batch, so that a file that was deleted or moved away is made again. */
export async function appendLines(path: string, bytes: Uint8Array, modes: Modes): Promise<void> {
  using file = await openToAppend(path, modes);
  // Two gateways write while one takes over from the other, and somebody may delete lines.
  await file.lock(true);
  const found = await file.stat();
  mustBeFile(found);
  const { size } = found;
  try {
    if (size > 0 && !await endsWithLine(file, size)) await writeAll(file, new Uint8Array([LF]));
    await writeAll(file, bytes);
  } catch (error) {
    // The file itself, which may have another name by now; on Windows one opened for appending cannot be cut.
    const cut = Deno.build.os === "windows" ? Deno.truncate(path, size) : file.truncate(size);
    // What is told is why the lines were refused.
    await cut.catch(() => {});
    throw error;
  }
}

async function openToAppend(path: string, { file, folder }: Modes): Promise<Deno.FsFile> {
  const options: Deno.OpenOptions = { read: true, append: true, create: true, mode: file };
  try {
    return await Deno.open(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(dirname(path), { recursive: true, mode: folder });
    return await Deno.open(path, options);
  }
}

async function endsWithLine(file: Deno.FsFile, size: number): Promise<boolean> {
  await file.seek(size - 1, Deno.SeekMode.Start);
  const last = new Uint8Array(1);
  await file.read(last);
  return last[0] === LF;
}

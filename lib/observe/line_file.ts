// Appends lines to a file that only its owner may read. A line that a crash or a full disk cut off costs
// itself alone: the next batch begins on a line of its own.

import { dirname } from "node:path";
import { writeAll } from "../files/write_all.ts";

const LF = 10;

/** Opened anew for each batch, so that a file that was deleted or moved away is made again. */
export async function appendPrivately(path: string, bytes: Uint8Array): Promise<void> {
  using file = await openPrivately(path);
  // Two gateways write while one takes over from the other, and somebody may delete lines.
  await file.lock(true);
  const { size } = await file.stat();
  if (size > 0 && !await endsWithLine(file, size)) await writeAll(file, new Uint8Array([LF]));
  await writeAll(file, bytes);
}

async function openPrivately(path: string): Promise<Deno.FsFile> {
  const options: Deno.OpenOptions = { read: true, append: true, create: true, mode: 0o600 };
  try {
    return await Deno.open(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return await Deno.open(path, options);
  }
}

async function endsWithLine(file: Deno.FsFile, size: number): Promise<boolean> {
  await file.seek(size - 1, Deno.SeekMode.Start);
  const last = new Uint8Array(1);
  await file.read(last);
  return last[0] === LF;
}

// The files of records that a command is to read, where folders may be named as well.

import { basename, join } from "node:path";
import { statOf } from "../files/rights.ts";
import { PACKED } from "../observe/packed_file.ts";

/** A folder stands for the record files in it, in the order of time. Throws NotFound for one without any. */
export async function recordFiles(named: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(named.map(async (name) => {
    if (!await isFolder(name)) return [name];
    const files = inOrder(await recordFilesIn(name));
    if (files.length === 0) throw new Deno.errors.NotFound(`no records in ${name}: no *.jsonl`);
    return files;
  }));
  return lists.flat();
}

/** By their plain names: while a file is being packed there are both. */
export async function recordFilesIn(folder: string): Promise<Set<string>> {
  const files = new Set<string>();
  for await (const { isFile, isSymlink, name } of Deno.readDir(folder)) {
    // A symlink that leads nowhere is for whoever reads to tell.
    if ((isFile || isSymlink) && /\.jsonl(\.gz)?$/.test(name)) {
      files.add(join(folder, name.replace(/\.gz$/, "")));
    }
  }
  return files;
}

/** By their hours, whatever folders they are in. */
export function inOrder(files: Iterable<string>): string[] {
  return [...files].sort((a, b) =>
    basename(a) < basename(b) ? -1 : basename(a) > basename(b) ? 1 : 0
  );
}

/** Bytes on the disk, packed and not. */
export async function sizeOnDisk(file: string): Promise<number> {
  const packed = await statOf(file + PACKED);
  // Where there is neither, the name that was given is the one to be told.
  const plain = packed === null ? await Deno.stat(file) : await statOf(file);
  return (packed?.size ?? 0) + (plain?.size ?? 0);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    // It may be there packed; whoever reads it says where it is not.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

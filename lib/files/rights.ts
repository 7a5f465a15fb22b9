// A file that takes the place of another: where that really lies, and who may read and write it.

import { dirname, resolve } from "node:path";

const MAX_LINKS = 40;

/** A symlink stays one: what it leads to is replaced, or made. */
export async function targetOf(path: string): Promise<string> {
  let name = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    try {
      return await Deno.realPath(name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    const isLink = (await Deno.lstat(name).catch(() => null))?.isSymlink ?? false;
    if (!isLink) return name;
    name = resolve(dirname(name), await Deno.readLink(name));
  }
  throw new Error(`${path}: too many symlinks`);
}

/** What is at `path`; null for nothing. */
export async function statOf(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Those of the file `before`, as far as the system gives them: whoever read that goes on reading this one. */
export async function giveRights(path: string, before: Deno.FileInfo): Promise<void> {
  if (Deno.build.os === "windows") return;
  const { uid, gid, mode } = before;
  try {
    await Deno.chown(path, uid, gid);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    // Only root gives files away; to a group of one's own anybody may.
    await Deno.chown(path, null, gid).catch(() => {});
  }
  await Deno.chmod(path, mode! & 0o777);
}

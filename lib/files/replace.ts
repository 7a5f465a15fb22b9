// A file that is written anew has its old text or its new one, whatever ends the process or the machine meanwhile.

import { writeAll } from "./write_all.ts";

/**
 * Writes `path`, whole or not at all; what it had stays where that fails. Its folder must be there. Rejects as the
 * system does. Only its owner reads it.
 */
export async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const fresh = `${path}.${Deno.pid}.new`;
  try {
    {
      const options = { write: true, create: true, truncate: true, mode: 0o600 };
      using file = await Deno.open(fresh, options);
      await writeAll(file, bytes);
    }
    await putInPlace(fresh, path);
  } catch (error) {
    await removeIfThere(fresh);
    throw error;
  }
}

/** Gives a finished file its name. On the disk first: a name may outlive a crash that the bytes behind it do not. */
export async function putInPlace(fresh: string, path: string): Promise<void> {
  {
    // It may be one that only its owner reads; Windows wants to write what it flushes.
    using file = await Deno.open(fresh, { [Deno.build.os === "windows" ? "write" : "read"]: true });
    await file.sync();
  }
  await Deno.rename(fresh, path);
}

export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    // It has got its name.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

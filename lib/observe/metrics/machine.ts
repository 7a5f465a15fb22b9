// What the system says of this process and its disk.

import { statfs } from "node:fs/promises";
import process from "node:process";
import { within } from "../../http/within.ts";
import type { ProcessLook } from "./metric.ts";

/** A file system that is away (NFS) must not hold up a scrape. */
const DISK_MS = 500;

export function lookAtProcess(): ProcessLook {
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: Deno.memoryUsage().rss,
    cpuSeconds: (user + system) / 1e6,
    openFiles: openFiles(),
  };
}

function openFiles(): number | null {
  if (Deno.build.os !== "linux") return null;
  try {
    let count = 0;
    for (const _ of Deno.readDirSync("/proc/self/fd")) count++;
    // The one that read the list is closed again.
    return count - 1;
  } catch {
    // No /proc, or no permission to read it: the figure is left out.
    return null;
  }
}

/** Free space of a folder's file system, asked for by one scrape after the other. */
export class DiskSpace {
  #asking: Promise<number | null> | null = null;

  /** Free bytes for this user below `folder`; null when it is not there yet, or silent. */
  async freeBytes(folder: string): Promise<number | null> {
    this.#asking ??= this.#ask(folder);
    return await within(DISK_MS, this.#asking, null);
  }

  async #ask(folder: string): Promise<number | null> {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch {
      // Made with the first record; until then there is nothing to tell.
      return null;
    } finally {
      this.#asking = null;
    }
  }
}

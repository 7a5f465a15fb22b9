// The alerts that a disk is almost full, and that the folder on it is not the one that was written to, from
// looking at it every so often.

import { statfs } from "node:fs/promises";
import type { Bell } from "./bell.ts";

/** Free bytes below a folder; null when it cannot be told. */
export type FreeBytes = (folder: string) => Promise<number | null>;

/** By what a folder is told from another one of its name; null where it cannot be told. */
export type Identity = (folder: string) => Promise<string | null>;

export interface DiskRules {
  dataDir: string;
  /** 0 for no alert. */
  leastBytes: number;
}

/** Milliseconds between two looks. */
const EVERY_MS = 30_000;
/** It is over when there is this much more than the limit, so that it does not come and go. */
const ENOUGH = 1.1;
const SUBJECT = "data_dir";

export class DiskWatch {
  #lookedAt = -Infinity;
  #looking = false;
  #isLow = false;
  /** The folder that is written to, as it was seen last. */
  #seen: { readonly path: string; readonly identity: string } | null = null;

  constructor(
    private readonly bell: Bell,
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number,
    private readonly freeBytes: FreeBytes = askSystem,
    private readonly identity: Identity = askWhich,
  ) {}

  /** Looks where it is time for it. A file system that hangs holds up later looks, nothing else. */
  async tick({ dataDir, leastBytes }: DiskRules): Promise<void> {
    if (this.#looking || this.now() - this.#lookedAt < EVERY_MS) return;
    this.#looking = true;
    this.#lookedAt = this.now();
    const free = leastBytes === 0 ? Infinity : await this.freeBytes(dataDir);
    const identity = await this.identity(dataDir);
    this.#looking = false;
    if (identity !== null) this.#meet(dataDir, identity);
    if (free === null) {
      // Made with the first record; asking for a folder that is not there costs nothing.
      this.#lookedAt = -Infinity;
      return;
    }
    if (!this.#isLow && free < leastBytes) {
      this.#isLow = true;
      this.bell.raise(
        "disk_low",
        SUBJECT,
        `${gigabytes(free)} free below ${dataDir}; expected at least ${gigabytes(leastBytes)}`,
      );
    } else if (this.#isLow && free >= leastBytes * ENOUGH) {
      this.#isLow = false;
      const space = leastBytes === 0 ? "is no longer watched" : `has ${gigabytes(free)} free`;
      this.bell.end("disk_low", SUBJECT, `${dataDir} ${space}`);
    }
  }

  /** One that is gone is made again by whoever writes first, without a word and maybe on another disk. */
  #meet(path: string, identity: string): void {
    const seen = this.#seen;
    this.#seen = { path, identity };
    if (seen === null || seen.path !== path || seen.identity === identity) return;
    this.bell.raise(
      "data_dir_replaced",
      SUBJECT,
      `${path} is another folder than before: it was moved or removed, or a disk was mounted or ` +
        "unmounted there; what was written before is not in it",
    );
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

async function askSystem(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    // Not there yet, or not to be seen: there is nothing to tell.
    return null;
  }
}

async function askWhich(folder: string): Promise<string | null> {
  try {
    const { dev, ino } = await Deno.stat(folder);
    return ino === null ? null : `${dev}:${ino}`;
  } catch {
    // As above.
    return null;
  }
}

// The alert that a disk is almost full, from looking at it every so often.

import { statfs } from "node:fs/promises";
import type { Bell } from "./bell.ts";

/** Free bytes below a folder; null when it cannot be told. */
export type FreeBytes = (folder: string) => Promise<number | null>;

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

  constructor(
    private readonly bell: Bell,
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number,
    private readonly freeBytes: FreeBytes = askSystem,
  ) {}

  /** Looks where it is time for it. A file system that hangs holds up later looks, nothing else. */
  async tick({ dataDir, leastBytes }: DiskRules): Promise<void> {
    if (this.#looking || this.now() - this.#lookedAt < EVERY_MS) return;
    this.#looking = true;
    this.#lookedAt = this.now();
    const free = leastBytes === 0 ? Infinity : await this.freeBytes(dataDir);
    this.#looking = false;
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

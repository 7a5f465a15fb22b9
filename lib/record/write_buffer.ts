// What is on its way to the disk: the lines that wait for each folder, and how they get into the file of the
// hour. When they go, and what is done when the disk refuses, is left to the writer.

import { join } from "node:path";
import { hourName } from "../observe/hour_name.ts";
import { Lines } from "./batch.ts";
import { appendLines, FLAGGED_FOLDER, mendNewest } from "./record_file.ts";

export type Folder = "requests_responses" | "incomplete" | typeof FLAGGED_FOLDER;
const FOLDERS: readonly Folder[] = ["requests_responses", "incomplete", FLAGGED_FOLDER];

/** Files looked at for a torn line: the one being written, and the one before a change of the hour. */
const NEWEST = 2;

/** What a write has brought to the disk. */
export interface Stored {
  lines: number;
  /** Captures that these are the lines of. */
  captures: number;
}

/** The lines of all folders of records. */
export class WriteBuffer {
  readonly #lines: Record<Folder, Lines> = {
    requests_responses: new Lines(),
    incomplete: new Lines(),
    [FLAGGED_FOLDER]: new Lines(),
  };
  /** Sizes of the files as they were left here. */
  readonly #sizes = new Map<string, number>();
  #mendedDir: string | null = null;

  /** `now` names the hour's file by its local time. */
  constructor(private readonly now: () => Date) {}

  /** Bytes that wait. */
  get length(): number {
    return FOLDERS.reduce((sum, folder) => sum + this.#lines[folder].length, 0);
  }

  /** Adds the lines of one capture, each in pieces. */
  add(folder: Folder, lines: readonly (readonly (string | Uint8Array)[])[]): void {
    this.#lines[folder].gathering.add(lines);
  }

  /** Adds the lines of one capture in one piece, which is whole lines. */
  addBytes(folder: Folder, lines: number, bytes: Uint8Array): void {
    this.#lines[folder].gathering.addBytes(lines, bytes);
  }

  /** Writes what waits, each folder's for itself; `onRefused` is told what the disk said, once for each. */
  async write(dataDir: string, onRefused: (error: unknown) => void): Promise<Stored> {
    const stored = { lines: 0, captures: 0 };
    for (const folder of FOLDERS) {
      const batch = this.#lines[folder].next();
      if (batch.lines === 0) continue;
      const path = join(dataDir, folder, `${hourName(this.now())}.jsonl`);
      try {
        const size = await appendLines(dataDir, path, batch.pieces(), this.#sizes.get(path));
        for (const known of this.#sizes.keys()) {
          // The file of an hour that is over.
          if (known !== path && known.startsWith(join(dataDir, folder))) this.#sizes.delete(known);
        }
        this.#sizes.set(path, size);
      } catch (error) {
        this.#sizes.delete(path);
        onRefused(error);
        continue;
      }
      stored.lines += batch.lines;
      stored.captures += batch.captures;
      batch.clear();
    }
    return stored;
  }

  /** Mends what an earlier run left in `dataDir`, the first time. Rejects as the system does. */
  async mendOnce(dataDir: string): Promise<void> {
    if (this.#mendedDir === dataDir) return;
    for (const folder of FOLDERS) await mendNewest(dataDir, folder, NEWEST);
    this.#mendedDir = dataDir;
  }

  clear(): void {
    for (const folder of FOLDERS) this.#lines[folder].clear();
  }
}

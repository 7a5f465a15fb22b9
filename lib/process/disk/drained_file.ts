// What was drained by hand, over restarts: whoever replaces a card does not expect that somebody's restart of the
// gateway puts the instance back into service.

import { dirname, join } from "node:path";
import { logger } from "../../observe/log.ts";
import type { Conditions } from "../fleet/conditions.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";
import { replaceFile } from "../../files/replace.ts";
import { fileWords } from "../../observe/file_words.ts";

const FILE = "drained.json";

interface Entry {
  readonly name: string;
  /** ISO text. */
  readonly since: string;
}

export class DrainedFile implements Reloadable {
  /** As it stands in the file; null before that was read: nothing is written over it till then. */
  #written: string | null = null;
  /** Of that file: a reload may bring another one. */
  #path = "";
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly snapshots: Snapshots, private readonly conditions: Conditions) {
    snapshots.join(this);
  }

  /** Drains what was drained before the start. What cannot be read is told, and is not drained then. */
  async restore(): Promise<void> {
    const path = join(this.snapshots.config.dataDir, FILE);
    let text = "[]";
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) this.#tell(path, error);
    }
    const entries = entriesIn(text);
    if (entries === null) this.#tell(path, "it is not what the gateway writes");
    this.#written = text;
    this.#path = path;
    if (entries === null || entries.length === 0) return;
    // Before those who hear of it ask since when.
    for (const { name, since } of entries) this.conditions.drained(name, since);
    const names = entries.map(({ name }) => name);
    const drained = this.snapshots.drainAgain(names);
    for (const name of names) if (!drained.includes(name)) this.conditions.undrained(name);
    if (drained.length > 0) {
      logger.warning("{names} drained before the start, until undrained", {
        names: drained.join(", "),
      });
    }
  }

  apply({ config: { dataDir } }: Snapshot): void {
    if (this.#written === null) return;
    this.conditions.onlyDrained(this.snapshots.drained);
    const entries = [...this.snapshots.drained].map((name): Entry => ({
      name,
      since: this.conditions.drainedSince(name) ?? new Date().toISOString(),
    }));
    const text = `${JSON.stringify(entries)}\n`;
    const path = join(dataDir, FILE);
    const isSame = text === this.#written || (entries.length === 0 && this.#written === "[]");
    if (isSame && path === this.#path) return;
    [this.#written, this.#path] = [text, path];
    this.#writing = this.#writing.then(() => write(path, text)).catch((error) => {
      // The next snapshot tries it again.
      if (this.#written === text) this.#written = "";
      this.#tell(path, error);
    });
  }

  /** Resolves when what was drained so far is on the disk. */
  async written(): Promise<void> {
    await this.#writing;
  }

  #tell(path: string, error: unknown): void {
    logger.error("{path}: what is drained is known until the next start only: {error}", {
      path,
      error: fileWords(error),
    });
  }
}

async function write(path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await replaceFile(path, text);
}

function entriesIn(text: string): Entry[] | null {
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) return null;
    const isEntry = (one: Partial<Entry> | null) =>
      typeof one?.name === "string" && typeof one.since === "string" &&
      !Number.isNaN(Date.parse(one.since));
    return value.every(isEntry) ? value : null;
  } catch {
    // Cut off by a disk that lied, or written by others: told by who asked.
    return null;
  }
}

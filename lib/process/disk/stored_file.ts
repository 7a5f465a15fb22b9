// Whose stored responses are, over restarts: what the workers note is written beside the usage, within a
// second, and read at the start. Numbers only, which say nothing to whoever reads the file. Without keys
// nothing is written: instances are asked then, and anyone may have what they know.

import { join } from "node:path";
import { USAGE_FOLDER } from "../../caller/usage/files.ts";
import { appendLines, type Modes } from "../../observe/line_file.ts";
import { logger } from "../../observe/log.ts";
import type { StoredEntry } from "../../pool/memory/stored_memory.ts";
import type { SharedState } from "../../pool/shared_state.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";
import { replaceFile } from "../../files/replace.ts";
import { fileWords } from "../../observe/file_words.ts";

const MODES: Modes = { file: 0o600, folder: 0o750 };
const WRITE_MS = 500;
/** About twice what memory holds: then those that are known are written anew. */
const TOO_LONG = 2 * 1024 * 1024;
/** So many notes ago nothing was noted that is known still. */
const FAR_BACK = 2 ** 30;

export class StoredFile implements Reloadable {
  #path: string | null = null;
  /** The last note that was written, or read. */
  #written = 0;
  #writing: Promise<void> | null = null;
  #failed = false;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(private readonly shared: SharedState, snapshots: Snapshots) {
    this.#follow(snapshots.current);
    snapshots.join(this);
    this.#timer = setInterval(() => this.write(), WRITE_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  apply(snapshot: Snapshot): void {
    this.#follow(snapshot);
  }

  /** Takes over what was known before the start. What cannot be read is told, and is not known then. */
  async restore(): Promise<void> {
    if (this.#path === null) return;
    try {
      const text = await Deno.readTextFile(this.#path);
      this.shared.locked(() => {
        for (const line of text.split("\n")) {
          const entry = entryIn(line);
          if (entry !== null) this.shared.stored.take(entry);
        }
        this.#written = this.shared.stored.notes;
      });
    } catch (error) {
      // Nothing was stored yet.
      if (!(error instanceof Deno.errors.NotFound)) this.#tell(error);
    }
  }

  /** Writes what was noted since the last time; one at a time. Never rejects. */
  write(): Promise<void> {
    return this.#writing ??= this.#write().finally(() => this.#writing = null);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.write();
  }

  #follow({ config: { callers, dataDir } }: Snapshot): void {
    const path = callers === null ? null : join(dataDir, USAGE_FOLDER, "responses.jsonl");
    if (path === this.#path) return;
    const isOther = this.#path !== null;
    this.#path = path;
    // Another file knows nothing of what was noted before.
    if (isOther) this.#written = this.shared.stored.notes - FAR_BACK;
  }

  async #write(): Promise<void> {
    const path = this.#path;
    const { stored } = this.shared;
    if (path === null || stored.notes === this.#written) return;
    const [entries, notes] = this.shared.locked(() =>
      [stored.since(this.#written), stored.notes] as const
    );
    try {
      await appendLines(path, new TextEncoder().encode(textOf(entries)), MODES);
      const { size } = await Deno.stat(path);
      if (size > TOO_LONG) await this.#writeAnew(path);
      this.#failed = false;
      // A reload has named another one meanwhile.
      if (path !== this.#path) return;
      this.#written = notes;
    } catch (error) {
      // It is tried again with what comes next.
      this.#tell(error);
    }
  }

  async #writeAnew(path: string): Promise<void> {
    const entries = this.shared.locked(() =>
      this.shared.stored.since(this.shared.stored.notes - FAR_BACK)
    );
    await replaceFile(path, textOf(entries));
  }

  #tell(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    logger.warning(
      "{path}: whose stored responses are is known until the next start only: {error}",
      {
        path: this.#path,
        error: fileWords(error),
      },
    );
  }
}

function textOf(entries: readonly StoredEntry[]): string {
  return entries.map(({ response, keeper, owner }) => `[${response},${keeper},${owner}]\n`).join(
    "",
  );
}

/** null for what is none: a line that a crash has cut off. */
function entryIn(line: string): StoredEntry | null {
  const found = /^\[(\d{1,16}),(\d{1,16}),(\d{1,16})\]$/.exec(line);
  if (found === null) return null;
  const [response, keeper, owner] = found.slice(1).map(Number);
  return response === 0 ? null : { response, keeper, owner };
}

// Watches a config file however it is saved: in place, by rename, through the symlinks of a Kubernetes
// ConfigMap. The folder is watched, since a watched file is lost with its inode; a slow poll is the
// safety net where the system tells nothing.

import { dirname, resolve } from "node:path";
import type { Config } from "./config.ts";
import { type Env, loadConfig } from "./load.ts";
import type { Problem } from "./parse.ts";

const DEBOUNCE_MS = 100;
const POLL_MS = 5000;

export interface WatchOptions {
  path: string;
  env: Env;
  /** The text in force; the same text again is no change. */
  initialText: string;
  onConfig(config: Config): void;
  onProblems(problems: readonly Problem[]): void;
}

export interface ConfigWatcher {
  /** Reads the file now, also when its text is the same (SIGHUP). */
  reloadNow(): void;
  close(): Promise<void>;
}

export function watchConfig(options: WatchOptions): ConfigWatcher {
  return new Watcher(options);
}

class Watcher implements ConfigWatcher {
  #text: string;
  #closed = false;
  #debounce: ReturnType<typeof setTimeout> | null = null;
  readonly #poll: ReturnType<typeof setInterval>;
  readonly #watchers = new Map<string, Deno.FsWatcher>();
  /** Reads run one after the other, so that an older text never overtakes a newer one. */
  #reading: Promise<void> = Promise.resolve();

  constructor(private readonly options: WatchOptions) {
    this.#text = options.initialText;
    this.#poll = setInterval(() => this.#soon(), POLL_MS);
    Deno.unrefTimer(Number(this.#poll));
    this.#watchFolders();
  }

  reloadNow(): void {
    this.#reading = this.#reading.then(() => this.#read(true));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    if (this.#debounce !== null) clearTimeout(this.#debounce);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#reading;
  }

  #soon(): void {
    if (this.#closed || this.#debounce !== null) return;
    this.#debounce = setTimeout(() => {
      this.#debounce = null;
      this.#reading = this.#reading.then(() => this.#read(false));
    }, DEBOUNCE_MS);
  }

  async #read(evenIfSame: boolean): Promise<void> {
    if (this.#closed) return;
    this.#watchFolders();
    const { path, env, onConfig, onProblems } = this.options;
    let text: string;
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      // Between a delete and a rename there is no file for a moment; only who asked is told.
      if (evenIfSame) {
        const message = `the file cannot be read: ${
          error instanceof Error ? error.message : error
        }`;
        onProblems([{ file: path, line: 1, column: 1, message }]);
      }
      return;
    }
    // An editor that truncates first is seen with an empty file; the text follows.
    if (this.#closed || (!evenIfSame && (text === this.#text || text.trim() === ""))) return;
    this.#text = text;
    const loaded = loadConfig(path, text, env);
    if (loaded.ok) onConfig(loaded.config);
    else onProblems(loaded.problems);
  }

  /** The file's folder, and that of the file behind a symlink. Called again, it mends lost watches. */
  #watchFolders(): void {
    const wanted = new Set([resolve(dirname(this.options.path))]);
    try {
      wanted.add(dirname(Deno.realPathSync(this.options.path)));
    } catch {
      // No file at this moment; its folder is watched all the same.
    }
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue;
      this.#watchers.delete(folder);
      watcher.close();
    }
    for (const folder of wanted) if (!this.#watchers.has(folder)) this.#watch(folder);
  }

  async #watch(folder: string): Promise<void> {
    let watcher: Deno.FsWatcher;
    try {
      watcher = Deno.watchFs(folder, { recursive: false });
    } catch {
      // The folder is gone, or the system has no more watches: the poll goes on.
      return;
    }
    this.#watchers.set(folder, watcher);
    try {
      for await (const event of watcher) if (event.kind !== "access") this.#soon();
    } catch {
      // The watch broke; the next read sets up another.
    }
    if (this.#watchers.get(folder) === watcher) this.#watchers.delete(folder);
  }
}

// Watches a config file, and the keys file that it names, however they are saved: in place, by rename, through the symlinks of a Kubernetes
// ConfigMap. The folder is watched, since a watched file is lost with its inode; a slow poll is the
// safety net where the system tells nothing.

import { dirname, resolve } from "node:path";
import { readRegular } from "../files/regular.ts";
import type { Config } from "./config.ts";
import { type Env, loadConfig, type SourceText, unreadable } from "./load.ts";
import { EMPTY, type Problem } from "./parse.ts";
import type { RawConfig } from "./schema.ts";

/** A save is several events: the file is read when none came for so long, … */
const DEBOUNCE_MS = 100;
/** … but not later than this, however busy the folder is. */
const DEBOUNCE_AT_MOST_MS = 400;
const POLL_MS = 5000;
/** A save may leave no file, or an empty one, for a moment; what is still so after this time was no save. */
const PATIENCE_MS = 2000;

export interface WatchOptions {
  path: string;
  env: Env;
  /** The text in force; the same text again is no change. */
  initialText: string;
  /** The other files that were read with it. */
  beside?: readonly SourceText[];
  /** How often it is looked at, whatever the system tells of it (5000). */
  pollMs?: number;
  /** How long a file may be missing or empty before that is a problem (2000). */
  patienceMs?: number;
  /** `options` are the same in the file's own terms. */
  onConfig(config: Config, options: RawConfig, text: string): void;
  onProblems(problems: readonly Problem[]): void;
  /** Told what `onConfig` or `onProblems` threw, and what broke in the watch, which goes on; else on stderr. */
  onError?(error: unknown): void;
}

export interface ConfigWatcher {
  /** Reads the file now, also when its text is the same (SIGHUP). */
  reloadNow(): void;
  close(): Promise<void>;
}

export function watchConfig(options: WatchOptions): ConfigWatcher {
  return new Watcher(options);
}

interface FolderWatch {
  watcher: Deno.FsWatcher;
  /** Device and inode: a folder made anew under the same name is another one. */
  identity: string;
}

class Watcher implements ConfigWatcher {
  #text: string;
  #beside: readonly SourceText[];
  #closed = false;
  #debounce: ReturnType<typeof setTimeout> | null = null;
  /** When the first event came that is not read yet. */
  #firstEvent = 0;
  /** Since when there is nothing to read; null while there is something. */
  #lackingSince: number | null = null;
  #lackIsTold = false;
  #lackTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #poll: ReturnType<typeof setInterval>;
  readonly #watchers = new Map<string, FolderWatch>();
  readonly #loops = new Set<Promise<void>>();
  /** Reads run one after the other, so that an older text never overtakes a newer one. */
  #reading: Promise<void> = Promise.resolve();

  constructor(private readonly options: WatchOptions) {
    this.#text = options.initialText;
    this.#beside = options.beside ?? [];
    this.#poll = setInterval(() => this.#soon(), options.pollMs ?? POLL_MS);
    Deno.unrefTimer(Number(this.#poll));
    this.#watchFolders();
  }

  reloadNow(): void {
    this.#readNext(true);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    if (this.#debounce !== null) clearTimeout(this.#debounce);
    clearTimeout(this.#lackTimer);
    for (const folder of [...this.#watchers.keys()]) this.#unwatch(folder);
    await Promise.all(this.#loops);
    await this.#reading;
  }

  #soon(): void {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#debounce === null) this.#firstEvent = now;
    else clearTimeout(this.#debounce);
    const left = this.#firstEvent + DEBOUNCE_AT_MOST_MS - now;
    this.#debounce = setTimeout(() => {
      this.#debounce = null;
      this.#readNext(false);
    }, Math.max(0, Math.min(DEBOUNCE_MS, left)));
  }

  /** What a callback throws is told, and must not end the reading of later files. */
  #readNext(evenIfSame: boolean): void {
    this.#reading = this.#reading.then(() => this.#read(evenIfSame))
      .catch((error) => this.#tell(error));
  }

  #tell(error: unknown): void {
    if (this.options.onError === undefined) console.error("watching the configuration:", error);
    else this.options.onError(error);
  }

  async #read(evenIfSame: boolean): Promise<void> {
    if (this.#closed) return;
    this.#watchFolders();
    const { path, env, onConfig, onProblems } = this.options;
    let text: string;
    try {
      text = await readRegular(path);
    } catch (error) {
      // Between a delete and a rename there is no file for a moment.
      return this.#lacks(unreadable(error), evenIfSame);
    }
    // An editor that truncates first is seen with an empty file; the text follows.
    if (text.trim() === "") return this.#lacks(EMPTY, evenIfSame);
    this.#lackingSince = null;
    this.#lackIsTold = false;
    const isSame = text === this.#text && await this.#isSameBeside();
    if (this.#closed || (!evenIfSame && isSame)) return;
    this.#text = text;
    const loaded = loadConfig(path, text, env);
    this.#beside = loaded.beside;
    this.#watchFolders();
    if (loaded.ok) onConfig(loaded.config, loaded.options, loaded.text);
    else onProblems(loaded.problems);
  }

  /** Told at once where somebody asked for the file, else when it has been so for a while. */
  #lacks(message: string, isAskedFor: boolean): void {
    const now = performance.now();
    const patienceMs = this.options.patienceMs ?? PATIENCE_MS;
    this.#lackingSince ??= now;
    const leftMs = this.#lackingSince + patienceMs - now;
    if (this.#closed || (this.#lackIsTold && !isAskedFor)) return;
    clearTimeout(this.#lackTimer);
    if (!isAskedFor && leftMs > 0) {
      this.#lackTimer = setTimeout(() => this.#readNext(false), leftMs);
      Deno.unrefTimer(Number(this.#lackTimer));
      return;
    }
    this.#lackIsTold = true;
    // The text from before is a new one when it comes back: it ends what is told here.
    this.#text = "";
    const { path, onProblems } = this.options;
    onProblems([{ file: path, line: 1, column: 1, path: [], message }]);
  }

  /** Whether the other files say what they said when they were read last. */
  async #isSameBeside(): Promise<boolean> {
    for (const { path, text } of this.#beside) {
      if (await readRegular(path).catch(() => null) !== text) return false;
    }
    return true;
  }

  /** The files' folders, and those of the files behind symlinks. Called again, it mends lost watches. */
  #watchFolders(): void {
    const wanted = new Set<string>();
    for (const path of [this.options.path, ...this.#beside.map((one) => one.path)]) {
      wanted.add(resolve(dirname(path)));
      try {
        wanted.add(dirname(Deno.realPathSync(path)));
      } catch {
        // No file at this moment; its folder is watched all the same.
      }
    }
    for (const [folder, { identity }] of this.#watchers) {
      if (!wanted.has(folder) || identityOf(folder) !== identity) this.#unwatch(folder);
    }
    for (const folder of wanted) if (!this.#watchers.has(folder)) this.#watch(folder);
  }

  #unwatch(folder: string): void {
    const watch = this.#watchers.get(folder);
    this.#watchers.delete(folder);
    watch?.watcher.close();
  }

  #watch(folder: string): void {
    const identity = identityOf(folder);
    if (identity === null) return;
    let watcher: Deno.FsWatcher;
    try {
      watcher = Deno.watchFs(folder, { recursive: false });
    } catch {
      // The folder is gone, or the system has no more watches: the poll goes on and tries again.
      return;
    }
    const watch = { watcher, identity };
    this.#watchers.set(folder, watch);
    const loop = this.#follow(watch).catch((error) => this.#tell(error)).finally(() => {
      this.#loops.delete(loop);
      // A watch that broke by itself is set up again by the next read.
      if (this.#watchers.get(folder) === watch) this.#unwatch(folder);
    });
    this.#loops.add(loop);
  }

  async #follow({ watcher }: FolderWatch): Promise<void> {
    for await (const event of watcher) if (event.kind !== "access") this.#soon();
  }
}

/** Null when there is no such folder now. */
function identityOf(folder: string): string | null {
  try {
    const { dev, ino } = Deno.statSync(folder);
    return `${dev}:${ino}`;
  } catch {
    // Gone, or not to be read: nothing to watch either way.
    return null;
  }
}

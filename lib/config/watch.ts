// Reads a config file anew, and the other files that it names, whenever one of them has changed. A slow poll that reads
// them is the safety net where the file system's times tell nothing.

import { ChangeWatch } from "../files/change_watch.ts";
import { readRegular } from "../files/regular.ts";
import type { Config } from "./config.ts";
import type { Env } from "./environment.ts";
import { loadConfig, type SourceText, unreadable } from "./load.ts";
import { emptyWords, type Problem } from "./parse.ts";
import type { RawConfig } from "./schema.ts";

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
  /** How often it is read, whether it looks changed or not (5000). */
  pollMs?: number;
  /** How long a file may be missing or empty before that is a problem (2000). */
  patienceMs?: number;
  /** `options` are the same in the file's own terms. */
  onConfig(config: Config, options: RawConfig, text: string): void;
  onProblems(problems: readonly Problem[]): void;
  /** Told what `onConfig` or `onProblems` threw; the watch goes on. Else on stderr. */
  onError?(error: unknown): void;
}

export interface ConfigWatcher {
  /** Reads the file now, also when its text is the same (SIGHUP). */
  reloadNow(): void;
  /** Nothing is told any more. */
  stop(): void;
  /** Resolves when nothing is being read any more either. */
  close(): Promise<void>;
}

export function watchConfig(options: WatchOptions): ConfigWatcher {
  return new Watcher(options);
}

class Watcher implements ConfigWatcher {
  #text: string;
  #beside: readonly SourceText[];
  #closed = false;
  /** Since when there is nothing to read; null while there is something. */
  #lackingSince: number | null = null;
  #lackIsTold = false;
  #lackTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #poll: ReturnType<typeof setInterval>;
  readonly #changes: ChangeWatch;
  /** Reads run one after the other, so that an older text never overtakes a newer one. */
  #reading: Promise<void> = Promise.resolve();

  constructor(private readonly options: WatchOptions) {
    this.#text = options.initialText;
    this.#beside = options.beside ?? [];
    this.#poll = setInterval(() => this.#readNext(false), options.pollMs ?? POLL_MS);
    Deno.unrefTimer(Number(this.#poll));
    this.#changes = new ChangeWatch(
      () => [options.path, ...this.#beside.map(({ path }) => path)],
      () => this.#readNext(false),
    );
  }

  reloadNow(): void {
    this.#readNext(true);
  }

  stop(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#lackTimer);
  }

  async close(): Promise<void> {
    this.stop();
    await this.#changes.close();
    await this.#reading;
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
    const { path, env, onConfig, onProblems } = this.options;
    let text: string;
    try {
      text = await readRegular(path);
    } catch (error) {
      // Between a delete and a rename there is no file for a moment.
      return this.#lacks(unreadable(error), evenIfSame);
    }
    // An editor that truncates first is seen with an empty file; the text follows.
    if (text.trim() === "") return this.#lacks(emptyWords("object"), evenIfSame);
    this.#lackingSince = null;
    this.#lackIsTold = false;
    const isSame = text === this.#text && await this.#isSameBeside();
    if (this.#closed || (!evenIfSame && isSame)) return;
    this.#text = text;
    const loaded = loadConfig(path, text, env);
    this.#beside = loaded.beside;
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
}

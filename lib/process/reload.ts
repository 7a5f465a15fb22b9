// From an edited file to the next snapshot, or to a report of what is wrong with it.

import { expiryProblem } from "../config/certificate.ts";
import { differencesOf } from "../config/compare.ts";
import type { Config } from "../config/config.ts";
import { loadConfig, type SourceText } from "../config/load.ts";
import { maskSecrets } from "../config/mask.ts";
import { formatProblem, parseText, type Problem } from "../config/parse.ts";
import type { RawConfig } from "../config/schema.ts";
import { type ConfigWatcher, watchConfig } from "../config/watch.ts";
import type { ConfigCheck, ConfigView, ReloadReport } from "../dashboard/source.ts";
import { readRegular } from "../files/regular.ts";
import { logger } from "../observe/log.ts";
import type { Tally } from "../observe/tally.ts";
import { NoRoomError } from "../pool/slot_table.ts";
import type { Bulletin } from "./alerts/bulletin.ts";
import { type Overrides, withOverrides } from "./overrides.ts";
import type { Snapshots } from "./snapshots.ts";
import { fleetInWords } from "./words.ts";

/** A configuration file as it was read. */
export interface ConfigFile {
  /** null where the options came from the command line alone: then nothing is reloaded. */
  readonly path: string | null;
  readonly text: string;
  /** As the file names them, with every default. */
  readonly options: RawConfig;
  /** The other files that were read with it. */
  readonly beside: readonly SourceText[];
}

export interface ReloadParts {
  file: ConfigFile;
  overrides: Overrides;
  snapshots: Snapshots;
  bulletin: Bulletin;
  tally: Tally;
  env(name: string): string | undefined;
  /** Resolves once whoever serves goes by the newest snapshot, to what of it is not in force. Never rejects. */
  caughtUp(): Promise<readonly string[]>;
}

const NO_FILE = "the gateway was started by --instance, without a file";

/** Options that are read at the start only. */
const FIXED = ["host", "port", "workers", "listener"] as const;

type Waiter = (report: ReloadReport) => void;

export class Reload {
  #options: RawConfig;
  /** Of the file that is in force. */
  #text: string;
  #last: ReloadReport | null = null;
  #refused: ReloadReport | null = null;
  /** Those who asked for a reload and wait for what comes of it. */
  #waiters: Waiter[] = [];
  #watcher: ConfigWatcher | null = null;
  /** What came of each reading is told in the order in which they were read. */
  #telling: Promise<void> = Promise.resolve();
  /** What is read at the start only is as it was then. */
  readonly #started: Config;

  constructor(private readonly parts: ReloadParts) {
    this.#started = parts.snapshots.file;
    this.#options = parts.file.options;
    this.#text = parts.file.text;
  }

  /** Watches the file from now on, and SIGHUP. */
  start(): void {
    const { file, env } = this.parts;
    if (file.path !== null) {
      this.#watcher = watchConfig({
        path: file.path,
        env,
        initialText: file.text,
        beside: file.beside,
        onConfig: (next, options, text) => this.#take(next, options, text),
        onProblems: (problems) => this.#refuse(problems),
        onError: (error) => logger.error("configuration not reloaded: {error}", { error }),
      });
    }
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", () => this.#readAgain());
  }

  /** Reads the file now; resolves when it has been refused, or is in force in all workers. */
  now(): Promise<ReloadReport> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#readAgain();
    });
  }

  /** The configuration for people who look. */
  view(): ConfigView {
    const { file, overrides, snapshots } = this.parts;
    return {
      file: file.path ?? NO_FILE,
      options: maskSecrets(this.#options),
      overrides,
      last_reload: this.#last,
      drained: [...snapshots.drained],
    };
  }

  /** What was wrong with the file when it was read last; null where what it says is in force. */
  get refused(): ReloadReport | null {
    return this.#refused;
  }

  /** The file as it is on the disk now, beside what is in force; null where there is no file. */
  async compareFile(): Promise<ConfigCheck | null> {
    const { path } = this.parts.file;
    if (path === null) return null;
    try {
      return this.check(await readRegular(path));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const problem = `${path}: the file cannot be read: ${error.message}`;
      return { ok: false, problems: [problem], differences: [], needs_restart: [] };
    }
  }

  /** What a reload would make of a text, which changes nothing. */
  check(text: string): ConfigCheck {
    const { file, env, overrides } = this.parts;
    const name = file.path ?? "pasted";
    const loaded = loadConfig(name, text, env);
    const [before, after] = [parseText(name, this.#text), parseText(name, text)];
    // A text that is none cannot be compared.
    const differences = Array.isArray(before) || Array.isArray(after)
      ? []
      : differencesOf(before.value, after.value);
    if (!loaded.ok) {
      const problems = loaded.problems.map(formatProblem);
      return { ok: false, problems, differences, needs_restart: [] };
    }
    const next = withOverrides(loaded.config, overrides);
    const needsRestart: string[] = FIXED.filter((key) => next[key] !== this.#started[key]);
    if (hasTls(next) !== hasTls(this.#started)) needsRestart.push("tls");
    return { ok: true, problems: [], differences, needs_restart: needsRestart };
  }

  /** Takes nothing more, also of what is being read now. */
  stop(): void {
    this.#watcher?.stop();
  }

  /** Resolves when nothing is being read any more, which a disk that hangs may put off for ever. */
  async close(): Promise<void> {
    await this.#watcher?.close();
    await this.#telling;
  }

  #readAgain(): void {
    if (this.#watcher !== null) return this.#watcher.reloadNow();
    logger.warning("nothing to reload: {reason}", { reason: NO_FILE });
    const report = { time: new Date().toISOString(), ok: false, taken: false, problems: [NO_FILE] };
    for (const resolve of this.#waiters.splice(0)) resolve(report);
  }

  #take(read: Config, options: RawConfig, text: string): void {
    const { snapshots, bulletin, overrides } = this.parts;
    const next = withOverrides(read, overrides);
    warnOfFixed(this.#started, snapshots.file, next);
    const expired = next.tls === null ? null : expiryProblem(next.tls, Date.now());
    if (expired !== null) logger.error("{expired}", { expired });
    try {
      snapshots.load(next);
    } catch (error) {
      if (!(error instanceof NoRoomError)) throw error;
      const file = this.parts.file.path ?? NO_FILE;
      return this.#refuse([{ file, line: 1, column: 1, path: [], message: error.message }]);
    }
    // Who asks from now on is told of what is read from now on.
    const waiters = this.#waiters.splice(0);
    this.#options = options;
    this.#text = text;
    // Who is told that a key is taken away, or an instance, may rely on it.
    this.#tell(this.parts.caughtUp(), (problems) => {
      const instances = fleetInWords(next);
      logger.info("configuration reloaded: {instances}", { instances });
      bulletin.note("reload", "configuration", instances);
      bulletin.end("reload_failed", "config", "the file was read again");
      this.#refused = null;
      this.parts.tally.reload(true, Date.now());
      this.#report(true, problems, waiters);
    });
  }

  #refuse(problems: readonly Problem[]): void {
    const waiters = this.#waiters.splice(0);
    const words = problems.map(formatProblem);
    this.#tell(Promise.resolve(words), () => {
      for (const problem of words) {
        logger.error("configuration not reloaded: {problem}", { problem });
      }
      this.parts.bulletin.raise("reload_failed", "config", words.join("; "));
      this.parts.tally.reload(false, Date.now());
      this.#refused = this.#report(false, words, waiters);
    });
  }

  #tell(
    isInForce: Promise<readonly string[]>,
    tell: (problems: readonly string[]) => void,
  ): void {
    this.#telling = this.#telling.then(() => isInForce).then(tell)
      .catch((error) => logger.error("internal error: {error}", { error }));
  }

  #report(
    taken: boolean,
    problems: readonly string[],
    waiters: readonly Waiter[],
  ): ReloadReport {
    const report = { time: new Date().toISOString(), ok: problems.length === 0, taken, problems };
    this.#last = report;
    for (const resolve of waiters) resolve(report);
    return report;
  }
}

function hasTls({ tls }: Config): boolean {
  return tls !== null;
}

/** What differs from what runs, where the save before did not say the same. */
function warnOfFixed(started: Config, before: Config, next: Config): void {
  if (hasTls(next) !== hasTls(before) && hasTls(next) !== hasTls(started)) {
    logger.warning("tls was {change}: takes effect at the next start", {
      change: next.tls === null ? "taken out" : "put in",
    });
  }
  for (const key of FIXED) {
    if (next[key] === before[key] || next[key] === started[key]) continue;
    logger.warning("{key} changed from {before} to {next}: takes effect at the next start", {
      key,
      before: started[key],
      next: next[key],
    });
  }
}

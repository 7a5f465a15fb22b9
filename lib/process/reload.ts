// From an edited file to the next snapshot, or to a report of what is wrong with it.

import type { Config } from "../config/config.ts";
import { maskSecrets } from "../config/mask.ts";
import { formatProblem, type Problem } from "../config/parse.ts";
import type { RawConfig } from "../config/schema.ts";
import { type ConfigWatcher, watchConfig } from "../config/watch.ts";
import type { ConfigView, ReloadReport } from "../dashboard/source.ts";
import { logger } from "../observe/log.ts";
import type { Tally } from "../observe/tally.ts";
import type { Bulletin } from "./bulletin.ts";
import { type Overrides, withOverrides } from "./overrides.ts";
import type { Snapshots } from "./snapshots.ts";
import { fleetInWords } from "./words.ts";

/** A configuration file as it was read. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
  /** As the file names them, with every default. */
  readonly options: RawConfig;
}

export interface ReloadParts {
  file: ConfigFile;
  overrides: Overrides;
  snapshots: Snapshots;
  bulletin: Bulletin;
  tally: Tally;
  env(name: string): string | undefined;
}

/** Options that are read at the start only. */
const FIXED = ["host", "port", "workers", "listener"] as const;

export class Reload {
  #options: RawConfig;
  #last: ReloadReport | null = null;
  /** Those who asked for a reload and wait for what comes of it. */
  #waiters: ((report: ReloadReport) => void)[] = [];
  #watcher: ConfigWatcher | null = null;

  constructor(private readonly parts: ReloadParts) {
    this.#options = parts.file.options;
  }

  /** Watches the file from now on, and SIGHUP. */
  start(): void {
    const { file, env } = this.parts;
    const watcher = this.#watcher = watchConfig({
      path: file.path,
      env,
      initialText: file.text,
      onConfig: (next, options) => this.#take(next, options),
      onProblems: (problems) => this.#refuse(problems),
      onError: (error) => logger.error("configuration not reloaded: {error}", { error }),
    });
    if (Deno.build.os !== "windows") {
      Deno.addSignalListener("SIGHUP", () => watcher.reloadNow());
    }
  }

  /** Reads the file now; resolves when it has been taken or refused. */
  now(): Promise<ReloadReport> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#watcher?.reloadNow();
    });
  }

  /** The configuration for people who look. */
  view(): ConfigView {
    const { file, overrides, snapshots } = this.parts;
    return {
      file: file.path,
      options: maskSecrets(this.#options),
      overrides,
      last_reload: this.#last,
      drained: [...snapshots.drained],
    };
  }

  async close(): Promise<void> {
    await this.#watcher?.close();
  }

  #take(read: Config, options: RawConfig): void {
    const { snapshots, bulletin, overrides } = this.parts;
    const next = withOverrides(read, overrides);
    warnOfFixed(snapshots.file, next);
    this.#options = options;
    snapshots.load(next);
    const instances = fleetInWords(next);
    logger.info("configuration reloaded: {instances}", { instances });
    bulletin.note("reload", "configuration", instances);
    bulletin.end("reload_failed", "config", "the file was read again");
    this.#report([]);
  }

  #refuse(problems: readonly Problem[]): void {
    for (const problem of problems) {
      logger.error("configuration not reloaded: {problem}", { problem: formatProblem(problem) });
    }
    const message = problems.map(formatProblem).join("; ");
    this.parts.bulletin.raise("reload_failed", "config", message);
    this.#report(problems);
  }

  #report(problems: readonly Problem[]): void {
    const report = this.#last = {
      time: new Date().toISOString(),
      ok: problems.length === 0,
      problems: problems.map(formatProblem),
    };
    this.parts.tally.reload(report.ok, Date.now());
    for (const resolve of this.#waiters.splice(0)) resolve(report);
  }
}

function warnOfFixed(before: Config, next: Config): void {
  for (const key of FIXED) {
    if (next[key] === before[key]) continue;
    logger.warning("{key} changed from {before} to {next}: takes effect at the next start", {
      key,
      before: before[key],
      next: next[key],
    });
  }
}

// A config file, from its text to a snapshot or to everything that is wrong with it.

import { isUtf8 } from "node:buffer";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { readRegularSync } from "../files/regular.ts";
import { keyOptions } from "./access_options.ts";
import type { TlsConfig } from "./access.ts";
import { certificateOf, type FileFault } from "./certificate.ts";
import type { Config } from "./config.ts";
import type { Env } from "./environment.ts";
import { NO_CHARACTER } from "./no_utf8.ts";
import { normalise } from "./normalise.ts";
import type { PlacedKey } from "./normalise_access.ts";
import type { Problem } from "./parse.ts";
import { valueAt } from "./path.ts";
import { type Read, read } from "./read.ts";
import { configSchema, type RawConfig } from "./schema.ts";

/** A file that belongs to the configuration, as it was read. */
export interface SourceText {
  readonly path: string;
  /** null where it could not be read. */
  readonly text: string | null;
  /** Why it could not: "does not exist"; null where it could. */
  readonly fault: string | null;
}

export type Loaded = {
  ok: true;
  config: Config;
  /** The options as the file names them, with every default. */
  options: RawConfig;
  text: string;
  /** The other files that were read. */
  beside: readonly SourceText[];
} | {
  ok: false;
  problems: Problem[];
  beside: readonly SourceText[];
};

/** Reads and checks a file; an unreadable one is a Problem too. */
export async function readConfig(path: string, env: Env): Promise<Loaded> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    // What other programs read from standard input.
    return problem(
      path,
      path === "-" ? "expected a file's name: it is watched" : unreadable(error),
    );
  }
  return loadConfig(path, text, env);
}

/** What is said of a configuration that cannot be read. */
export function unreadable(error: unknown): string {
  return `the file ${whyNot(error)}`;
}

/** What is to be said behind a file's name. */
function whyNot(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "does not exist";
  // The runtime would have a flag of its own set, for what is below /dev, /proc and /sys.
  if (error instanceof Deno.errors.NotCapable) return "cannot be read: it is no regular file";
  const words = error instanceof Error ? error.message : String(error);
  return `cannot be read: ${words.replace(/ \(os error \d+\)(: \w+ '.*')?$/s, "")}`;
}

/**
 * Checks a text, and the keys file that it names. All problems are found in one go. `keysText` is looked at in
 * place of what the keys file holds now.
 */
export function loadConfig(file: string, text: string, env: Env, keysText?: string): Loaded {
  const own = read(file, text, env, configSchema);
  const problems = [...own.problems];
  const beside: SourceText[] = [];
  let keysFile: Read<z.output<typeof keyList>> | null = null;
  const named = keysFileOf(own);
  if (named !== null) {
    const found = readBeside(file, named);
    const source = keysText === undefined ? found : { ...found, text: keysText, fault: null };
    beside.push(source);
    keysFile = readKeys(source, env);
    problems.push(...keysFile.problems);
  }
  problems.push(...own.plainKeys(["keys"]));
  let tls: TlsConfig | null = null;
  if (own.data?.tls) {
    const found = certificateOf(own.data.tls, (named) => {
      const source = readBeside(file, named);
      beside.push(source);
      return source;
    });
    if (!Array.isArray(found)) tls = found;
    else {
      const at = ({ option, message }: FileFault) => own.problemAt(["tls", option], message);
      problems.push(...found.map(at));
    }
  }
  if (problems.length === 0 && own.data !== null) {
    const keys: PlacedKey[] = own.data.keys.map((raw, index) => ({
      raw,
      path: ["keys", index],
      inKeysFile: false,
    }));
    for (const [index, raw] of (keysFile?.data ?? []).entries()) {
      keys.push({ raw, path: [index], inKeysFile: true });
    }
    const config = normalise(own.data, keys, tls, (named) => {
      const source = readBeside(file, named);
      beside.push(source);
      const { path, text, fault } = source;
      return text === null
        ? { fault: fault! }
        : { text, isUtf8: !text.includes(NO_CHARACTER) || isUtf8At(path) };
    });
    if (!Array.isArray(config)) return { ok: true, config, options: own.data, text, beside };
    for (const { path, message, inKeysFile } of config) {
      const where = inKeysFile ? keysFile! : own;
      problems.push(where.problemAt(path, message));
    }
  }
  const rank = (one: Problem) => one.file === file ? 0 : 1;
  problems.sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
  return { ok: false, problems, beside };
}

const keyList = z.array(keyOptions);

/** Where the keys file is that a config's text names; null without. */
export function keysFileIn(file: string, text: string, env: Env): string | null {
  const named = keysFileOf(read(file, text, env, configSchema));
  return named === null ? null : resolve(dirname(file), named);
}

/** The keys file that a config names, as far as it can be told where other options are wrong. */
function keysFileOf({ data, written }: Read<RawConfig>): string | null {
  const named = data === null ? valueAt(written, ["keys_file"]) : data.keys_file;
  return typeof named === "string" && named !== "" && !named.includes("${") ? named : null;
}

/**
 * The data_dir of the config in `path`, for those who need nothing else of it: other options may be wrong, and
 * variables not set. Else what is wrong.
 */
export async function readDataDir(path: string, env: Env): Promise<string | Problem> {
  let own: Read<RawConfig>;
  try {
    own = read(path, await Deno.readTextFile(path), env, configSchema);
  } catch (error) {
    return { file: path, line: 1, column: 1, path: [], message: unreadable(error) };
  }
  if (own.data !== null) return own.data.data_dir;
  const named = valueAt(own.written, ["data_dir"]);
  const { success, data } = configSchema.shape.data_dir.safeParse(named);
  return own.written !== undefined && success && !data.includes("${") ? data : own.problems[0];
}

/** Files that a config names lie beside it. */
function readBeside(file: string, named: string): SourceText {
  const path = resolve(dirname(file), named);
  try {
    return { path, text: readRegularSync(path), fault: null };
  } catch (error) {
    return { path, text: null, fault: whyNot(error) };
  }
}

/** A text may have the mark itself, as one that takes it out of answers does. */
function isUtf8At(path: string): boolean {
  try {
    return isUtf8(Deno.readFileSync(path));
  } catch {
    // Gone since it was read: it is read anew when it is there again.
    return false;
  }
}

function readKeys({ path, text, fault }: SourceText, env: Env): Read<z.output<typeof keyList>> {
  if (text === null) {
    const gone = read(path, "[]", env, keyList);
    const hint = fault === "does not exist"
      ? "`simple-ai-gateway keys create NAME` makes it, with a first key"
      : "the gateway's own user must be able to read it";
    const message = `the keys file ${fault}; ${hint}`;
    return { ...gone, problems: [{ file: path, line: 1, column: 1, path: [], message }] };
  }
  const found = read(path, text, env, keyList, "list");
  return { ...found, problems: [...found.problems, ...found.plainKeys([])] };
}

function problem(file: string, message: string): Loaded {
  return { ok: false, problems: [{ file, line: 1, column: 1, path: [], message }], beside: [] };
}

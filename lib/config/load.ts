// A config file, from its text to a snapshot or to everything that is wrong with it.

import { isUtf8 } from "node:buffer";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { readRegularSync } from "../files/regular.ts";
import { keyOptions } from "./access_options.ts";
import type { TlsConfig } from "./access.ts";
import { certificateOf, type FileFault } from "./certificate.ts";
import type { Config } from "./config.ts";
import { fillIn } from "./environment.ts";
import { nearest } from "./nearest.ts";
import { NO_CHARACTER, NO_UTF8, oddPaths } from "./no_utf8.ts";
import { normalise } from "./normalise.ts";
import type { PlacedKey } from "./normalise_access.ts";
import { type Parsed, parseText, type Path, type Problem, SECRET } from "./parse.ts";
import { configSchema, type RawConfig } from "./schema.ts";
import type { Root } from "./syntax_error.ts";

export type Env = (name: string) => string | undefined;
/** A file that belongs to the configuration, as it was read; null where it could not be. */
export interface SourceText {
  readonly path: string;
  readonly text: string | null;
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

/** Files longer than this are no config. */
const MAX_CHARS = 10 * 1024 * 1024;

/** Reads and checks a file; an unreadable one is a Problem too. */
export async function readConfig(path: string, env: Env): Promise<Loaded> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    return problem(path, unreadable(error));
  }
  return loadConfig(path, text, env);
}

/** What is said of a file that cannot be read. */
export function unreadable(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "the file does not exist";
  const words = error instanceof Error ? error.message : String(error);
  // Which file it is stands in front.
  return `the file cannot be read: ${words.replace(/ \(os error \d+\)(: \w+ '.*')?$/s, "")}`;
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
    const source = keysText === undefined ? found : { ...found, text: keysText };
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
      const { path, text } = source;
      return text === null
        ? null
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

/** One file, read and checked by a schema. */
interface Read<T> {
  /** null where there are problems. */
  data: T | null;
  /** As it is written, variables not filled in; undefined for a text that is no JSON5. */
  written: unknown;
  problems: Problem[];
  problemAt(path: Path, message: string): Problem;
  /** Keys that stand in the list at `path` as they are, where only a variable may stand. */
  plainKeys(path: Path): Problem[];
}

function read<S extends z.ZodType>(
  file: string,
  text: string,
  env: Env,
  schema: S,
  root: Root = "object",
): Read<z.output<S>> {
  const failed = (problems: Problem[]): Read<z.output<S>> => ({
    data: null,
    written: undefined,
    problems,
    problemAt: (path, message) => ({ file, line: 1, column: 1, path, message }),
    plainKeys: () => [],
  });
  const unfit = (message: string) => failed([{ file, line: 1, column: 1, path: [], message }]);
  if (text.length > MAX_CHARS) {
    return unfit(`the file has ${text.length} characters; expected at most ${MAX_CHARS}`);
  }
  if (text.includes("\0")) {
    // Every other byte of a plain text in UTF-16, which PowerShell's `>` writes.
    const isUtf16 = /^[^\0]{0,3}(?:[^\0]\0|\0[^\0]){8}/.test(text);
    return unfit(
      isUtf16
        ? "the file is UTF-16; expected UTF-8: save it with that encoding"
        : "the file contains NUL bytes; expected text",
    );
  }
  const parsed = parseText(file, text, root);
  // The runtime's word for bytes that are no UTF-8: those of a comment do no harm.
  const isOdd = text.includes(NO_CHARACTER);
  if (Array.isArray(parsed)) {
    return failed(
      isOdd ? parsed.map((one) => ({ ...one, message: `${one.message}; ${NO_UTF8}` })) : parsed,
    );
  }
  const { value, missing } = fillIn(parsed, env);
  const problemAt = (path: Path, message: string): Problem => ({
    file,
    ...parsed.at(path, "value"),
    path,
    message: `${dotted(path)}: ${message}`,
  });
  const problems = missing.map(({ path, name }) =>
    problemAt(path, `environment variable \`${name}\` is not set`)
  );
  if (isOdd) problems.push(...oddPaths(parsed.value).map((path) => problemAt(path, NO_UTF8)));
  const checked = schema.safeParse(value);
  if (!checked.success) {
    // A value that could not be filled in is not judged as well.
    const unfilled = new Set(missing.map(({ path }) => dotted(path)));
    const found = checked.error.issues.flatMap((issue) =>
      explain(file, parsed, schema, value, issue)
    );
    problems.push(...found.filter(({ path }) => !unfilled.has(dotted(path))));
  }
  return {
    data: checked.success && problems.length === 0 ? checked.data : null,
    written: parsed.value,
    problems,
    problemAt,
    plainKeys: (path) => {
      const list = valueAt(parsed.value, path);
      if (!Array.isArray(list)) return [];
      return list.flatMap((one, index) => {
        const key = valueAt(one, ["key"]);
        if (typeof key !== "string" || /^\$\{\w+\}$/.test(key)) return [];
        const message = "a key does not belong into a file; expected `hash`, or `${NAME}` alone";
        return [problemAt([...path, index, "key"], message)];
      });
    },
  };
}

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

/** Files that a config names lie beside it. */
function readBeside(file: string, named: string): SourceText {
  const path = resolve(dirname(file), named);
  try {
    return { path, text: readRegularSync(path) };
  } catch {
    // Why it could not be read is for the one who asks to be allowed to know: said by `readKeys`.
    return { path, text: null };
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

function readKeys({ path, text }: SourceText, env: Env): Read<z.output<typeof keyList>> {
  if (text === null) {
    const gone = read(path, "[]", env, keyList);
    const message = "the keys file does not exist or cannot be read; " +
      "`simple-ai-gateway keys create NAME` makes it, with a first key";
    return { ...gone, problems: [{ file: path, line: 1, column: 1, path: [], message }] };
  }
  const found = read(path, text, env, keyList, "list");
  return { ...found, problems: [...found.problems, ...found.plainKeys([])] };
}

function problem(file: string, message: string): Loaded {
  return { ok: false, problems: [{ file, line: 1, column: 1, path: [], message }], beside: [] };
}

type Issue = z.core.$ZodIssue;

function explain(
  file: string,
  parsed: Parsed,
  schema: z.ZodType,
  root: unknown,
  issue: Issue,
): Problem[] {
  const path = issue.path as Path;
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(schema, path, root);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const hint = meant === null
        ? known.length === 0 || path.length === 0 ? "" : `; expected one of ${known.join(", ")}`
        : `; did you mean \`${meant}\`?`;
      const at = [...path, key];
      const message = `${dotted(at)}: unknown option${hint}`;
      return { file, ...parsed.at(at, "key"), path: at, message };
    });
  }
  const value = valueAt(root, path);
  const inner = issue.code === "invalid_union" ? meantBranch(issue, value) : null;
  if (inner !== null) {
    return inner.flatMap((one) =>
      explain(file, parsed, schema, root, { ...one, path: [...path, ...one.path] } as Issue)
    );
  }
  const place = parsed.at(path, value === undefined ? "key" : "value");
  const got = value === undefined ? "it is missing" : `got ${shown(path, value)}`;
  return [{ file, ...place, path, message: `${dotted(path)}: ${expectation(issue)}; ${got}` }];
}

/** Of several forms the one that an object or list was meant as: its own faults say more. */
function meantBranch(issue: Issue & { code: "invalid_union" }, value: unknown): Issue[] | null {
  if (value === null || typeof value !== "object") return null;
  return issue.errors.find((errors) =>
    errors.every((one) => one.path.length > 0 || one.code === "unrecognized_keys")
  ) ?? null;
}

function expectation(issue: Issue): string {
  const parts = issue.code === "invalid_union" && issue.errors.length > 0
    ? issue.errors.flat().map((inner) => plainly(inner.message))
    : [plainly(issue.message)];
  return [...new Set(parts)].join(", or ");
}

/** zod's message without what the place and value say already. */
function plainly(message: string): string {
  const text = message.replace(/^Invalid input: /, "").replace(/, received [\w ]+$/, "");
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Names of the options of the object at `path` of `root`, which `whole` is the schema of. */
function knownKeys(whole: z.ZodType, path: Path, root: unknown): string[] {
  let schema: unknown = whole;
  for (const [depth, key] of path.entries()) {
    const { shape, element } = unwrap(schema, valueAt(root, path.slice(0, depth))) as {
      shape?: Record<string, unknown>;
      element?: unknown;
    };
    schema = typeof key === "number" ? element : shape?.[key];
    if (schema === undefined) return [];
  }
  const { shape } = unwrap(schema, valueAt(root, path)) as { shape?: Record<string, unknown> };
  return shape === undefined ? [] : Object.keys(shape);
}

interface AnySchema {
  def?: { innerType?: unknown; options?: unknown[]; values?: unknown[] };
  shape?: Record<string, AnySchema>;
}

/** Past defaults and optionals; of a union the object that `value` is, by its `type`, or the first. */
function unwrap(schema: unknown, value: unknown): unknown {
  let inner = schema as AnySchema;
  while (inner?.def?.innerType !== undefined) inner = inner.def.innerType as AnySchema;
  const objects = ((inner?.def?.options ?? []) as AnySchema[]).filter((one) =>
    one.shape !== undefined
  );
  const type = valueAt(value, ["type"]);
  return objects.find(({ shape }) => shape!.type?.def?.values?.includes(type)) ?? objects[0] ??
    inner;
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) {
    if (value === null || typeof value !== "object") return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

/** Options of `alerts` that say nothing of the channel's secret, which may be its whole address. */
const SHOWN_OF_ALERTS = new Set(["type", "name", "kinds", "min_severity", "port", "tls", "from"]);

/** The offending value, short, and never a secret. */
function shown(path: Path, value: unknown): string {
  const ofAlerts = path[0] === "alerts";
  if (
    path.some((key) => typeof key === "string" && SECRET.test(key)) ||
    (ofAlerts && !SHOWN_OF_ALERTS.has(String(path[2])) && JSON.stringify(value).length > 4)
  ) return "a value (hidden)";
  const plain = typeof value === "number"
    ? String(value)
    : JSON.stringify(value, (key, inner) => SECRET.test(key) ? "***" : inner);
  // Passwords and tokens in a url are secrets too.
  const text = plain.replace(/\/\/[^\s"]*@/g, "//***@").replace(/([?&#])[^\s"]*/g, "$1***");
  return `\`${text.length > 60 ? `${text.slice(0, 57)}...` : text}\``;
}

/** `instances[0].url` */
function dotted(path: Path): string {
  if (path.length === 0) return "the file";
  return path.map((key, index) =>
    typeof key === "number" ? `[${key}]` : index === 0 ? key : `.${key}`
  ).join("");
}

// A config file, from its text to a snapshot or to everything that is wrong with it.

import type { z } from "zod";
import type { Config } from "./config.ts";
import { fillIn } from "./environment.ts";
import { nearest } from "./nearest.ts";
import { normalise } from "./normalise.ts";
import { type Parsed, parseText, type Path, type Problem } from "./parse.ts";
import { configSchema, LATER, type RawConfig } from "./schema.ts";

export type Env = (name: string) => string | undefined;
export type Loaded = {
  ok: true;
  config: Config;
  /** The options as the file names them, with every default. */
  options: RawConfig;
  text: string;
} | {
  ok: false;
  problems: Problem[];
};

/** Files longer than this are no config. */
const MAX_CHARS = 10 * 1024 * 1024;
/** Names of options whose values are never shown, mistyped ones included. */
const SECRET = /key|token|secret|passw|auth|credential/i;

/** Reads and checks a file; an unreadable one is a Problem too. */
export async function readConfig(path: string, env: Env): Promise<Loaded> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "the file does not exist"
      : `the file cannot be read: ${error instanceof Error ? error.message : error}`;
    return problem(path, reason);
  }
  return loadConfig(path, text, env);
}

/** Checks a text. All problems are found in one go. */
export function loadConfig(file: string, text: string, env: Env): Loaded {
  if (text.length > MAX_CHARS) {
    return problem(file, `the file has ${text.length} characters; expected at most ${MAX_CHARS}`);
  }
  if (text.includes("\0")) return problem(file, "the file contains NUL bytes; expected text");
  const parsed = parseText(file, text);
  if (Array.isArray(parsed)) return { ok: false, problems: parsed };
  const { value, missing } = fillIn(parsed, env);
  const problems: Problem[] = missing.map(({ path, name }) => ({
    file,
    ...parsed.at(path, "value"),
    path,
    message: `${dotted(path)}: environment variable \`${name}\` is not set`,
  }));
  const checked = configSchema.safeParse(value);
  if (!checked.success) {
    // A value that could not be filled in is not judged as well.
    const unfilled = new Set(missing.map(({ path }) => dotted(path)));
    const found = checked.error.issues.flatMap((issue) => explain(file, parsed, value, issue));
    problems.push(...found.filter(({ path }) => !unfilled.has(dotted(path))));
  } else if (problems.length === 0) {
    const config = normalise(checked.data);
    if (!Array.isArray(config)) {
      return { ok: true, config, options: checked.data, text };
    }
    for (const { path, message } of config) {
      const place = parsed.at(path, "value");
      problems.push({ file, ...place, path, message: `${dotted(path)}: ${message}` });
    }
  }
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return { ok: false, problems };
}

function problem(file: string, message: string): Loaded {
  return { ok: false, problems: [{ file, line: 1, column: 1, path: [], message }] };
}

type Issue = z.core.$ZodIssue;

function explain(file: string, parsed: Parsed, root: unknown, issue: Issue): Problem[] {
  const path = issue.path as Path;
  const later = LATER.find((name) => name === path[0]);
  if (later !== undefined) {
    const at = path.slice(0, 1);
    const message = `${later}: not available in this version; leave it out or empty`;
    return [{ file, ...parsed.at(at, "key"), path: at, message }];
  }
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(path, root);
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
      explain(file, parsed, root, { ...one, path: [...path, ...one.path] } as Issue)
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

/** Names of the options of the object at `path` of `root`. */
function knownKeys(path: Path, root: unknown): string[] {
  let schema: unknown = configSchema;
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

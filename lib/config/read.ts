// One file of the configuration: from its text to values that a schema has checked, or to all that is wrong.

import type { z } from "zod";
import { type Env, fillIn } from "./environment.ts";
import { explain } from "./issue_words.ts";
import { NO_CHARACTER, NO_UTF8, oddPaths } from "./no_utf8.ts";
import { parseText, type Problem } from "./parse.ts";
import { dotted, type Path, valueAt } from "./path.ts";
import type { Root } from "./syntax_error.ts";

/** Files longer than this are no config. */
const MAX_CHARS = 10 * 1024 * 1024;

/** One file, read and checked by a schema. */
export interface Read<T> {
  /** null where there are problems. */
  data: T | null;
  /** As it is written, variables not filled in; undefined for a text that is no JSON5. */
  written: unknown;
  problems: Problem[];
  problemAt(path: Path, message: string): Problem;
  /** Keys that stand in the list at `path` as they are, where only a variable may stand. */
  plainKeys(path: Path): Problem[];
}

/** The text of `file`, which should be a `root`, is looked at; variables are taken from `env`. */
export function read<S extends z.ZodType>(
  file: string,
  text: string,
  env: Env,
  schema: S,
  root: Root = "object",
): Read<z.output<S>> {
  const unfit = unfitText(text);
  const parsed = unfit === null
    ? parseText(file, text, root)
    : [{ file, line: 1, column: 1, path: [], message: unfit }];
  // The runtime's word for bytes that are no UTF-8: those of a comment do no harm.
  const isOdd = text.includes(NO_CHARACTER);
  if (Array.isArray(parsed)) {
    return {
      data: null,
      written: undefined,
      problems: isOdd && unfit === null
        ? parsed.map((one) => ({ ...one, message: `${one.message}; ${NO_UTF8}` }))
        : parsed,
      problemAt: (path, message) => ({ file, line: 1, column: 1, path, message }),
      plainKeys: () => [],
    };
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
    plainKeys: (path) =>
      plainKeysIn(valueAt(parsed.value, path)).map((index) =>
        problemAt(
          [...path, index, "key"],
          "a key does not belong into a file; expected `hash`, or `${NAME}` alone",
        )
      ),
  };
}

/** Why a text is not looked at at all; null where it is. */
function unfitText(text: string): string | null {
  if (text.length > MAX_CHARS) {
    return `the file has ${text.length} characters; expected at most ${MAX_CHARS}`;
  }
  if (!text.includes("\0")) return null;
  // Every other byte of a plain text in UTF-16, which PowerShell's `>` writes.
  return /^[^\0]{0,3}(?:[^\0]\0|\0[^\0]){8}/.test(text)
    ? "the file is UTF-16; expected UTF-8: save it with that encoding"
    : "the file contains NUL bytes; expected text";
}

/** Which entries of a list have a `key` that is no variable alone. */
function plainKeysIn(list: unknown): number[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((one, index) => {
    const key = valueAt(one, ["key"]);
    return typeof key !== "string" || /^\$\{\w+\}$/.test(key) ? [] : [index];
  });
}

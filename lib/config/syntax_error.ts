// What to tell about a text that is not JSON5: the parser's words, made clearer where it only knows the
// last token that it saw.

import { tokenize } from "@humanwhocodes/momoa";

/** A place in a text; line and column count from 1. */
export interface Position {
  line: number;
  column: number;
}

/** What a file is as a whole. */
export type Root = "object" | "list";

const OPENINGS = { object: "{", list: "[" } as const;
const ROOT_WORDS = { object: "an object `{ … }`", list: "a list `[ … ]`" } as const;

/** What stands for `root` in an error. */
export function expectedRoot(root: Root): string {
  return `expected ${ROOT_WORDS[root]}`;
}

const OPENING = new Set(["LBrace", "LBracket"]);
const CLOSING = new Set(["RBrace", "RBracket"]);

/** The place and cause of a syntax error that momoa threw for `source`, which should be a `root`. */
export function explainSyntaxError(
  source: string,
  error: unknown,
  root: Root = "object",
): Position & { message: string } {
  if (error instanceof RangeError) return { line: 1, column: 1, message: "nested too deeply" };
  if (!(error instanceof Error)) throw error;
  const { line, column, offset } = error as { line?: number; column?: number; offset?: number };
  if (line === undefined || column === undefined) throw error;
  const open = offset === undefined ? null : unclosed(source, offset);
  if (open !== null) {
    const { sign } = open;
    return {
      line: open.line,
      column: open.column,
      message: `syntax: the file ends before this \`${sign}\` is closed`,
    };
  }
  const lines = source.split("\n");
  const outside = outsideRoot(source, offset, root);
  if (outside !== null) return outside;
  const lacks = offset === undefined ? null : missingBefore(source, offset);
  if (lacks !== null) return { line, column, message: `syntax: a ${lacks} is missing before this` };
  const message = `syntax: ${lowerFirst(error.message.replace(/\s*\(\d+:\d+\)$/, ""))}`;
  // The end of the input is reported past the last line.
  if (line > lines.length) return { line: lines.length, column: lines.at(-1)!.length + 1, message };
  return { line, column, message };
}

/** The innermost bracket that is still open when the token at `offset` is the last of the text. */
function unclosed(source: string, offset: number): (Position & { sign: string }) | null {
  const open: (Position & { sign: string })[] = [];
  let last = -1;
  try {
    for (const token of tokenize(`${source}\n`, { mode: "json5" })) {
      if (token.type.endsWith("Comment")) continue;
      const { start } = token.loc;
      last = start.offset;
      if (OPENING.has(token.type)) {
        open.push({ ...start, sign: token.type === "LBrace" ? "{" : "[" });
      } else if (CLOSING.has(token.type) && open.pop() === undefined) return null;
    }
  } catch {
    // A fault inside a token: the first error says where.
    return null;
  }
  return offset >= last ? open.at(-1) ?? null : null;
}

/** What is wrong where the text is no such `root`, or goes on behind it. */
function outsideRoot(
  source: string,
  offset: number | undefined,
  root: Root,
): Position & { message: string } | null {
  const skipped = /\s+|\/\/.*|\/\*[^]*?\*\//y;
  let start = 0;
  while (skipped.test(source)) start = skipped.lastIndex;
  const before = source.slice(0, start);
  if (before === source) {
    return { line: 1, column: 1, message: `syntax: only comments; ${expectedRoot(root)}` };
  }
  if (source[before.length] !== OPENINGS[root]) {
    const lines = before.split("\n");
    const column = lines.at(-1)!.length + 1;
    return { line: lines.length, column, message: `syntax: ${expectedRoot(root)}` };
  }
  let depth = 0;
  try {
    for (const { type, loc } of tokenize(`${source}\n`, { mode: "json5" })) {
      if (type.endsWith("Comment")) continue;
      const { line, column } = loc.start;
      if (loc.start.offset === offset && offset > before.length && depth === 0) {
        return { line, column, message: `syntax: the file's ${root} has ended before this` };
      }
      if (OPENING.has(type)) depth++;
      else if (CLOSING.has(type)) depth--;
    }
  } catch {
    // A fault inside a token: the first error says where.
  }
  return null;
}

const VALUES = new Set(["String", "Number", "Boolean", "Null", "Identifier", "NaN", "Infinity"]);

/** What must stand between the token at `offset` and the one before it; null where it is not that. */
function missingBefore(source: string, offset: number): "comma" | "colon" | null {
  const before: string[] = [];
  try {
    for (const { type, loc } of tokenize(`${source}\n`, { mode: "json5" })) {
      if (type.endsWith("Comment")) continue;
      if (loc.start.offset < offset) {
        before.push(type);
        continue;
      }
      if (!VALUES.has(type) && !OPENING.has(type)) return null;
      const last = before.at(-1) ?? "";
      if (!VALUES.has(last) && !CLOSING.has(last)) return null;
      return isName(before) ? "colon" : "comma";
    }
  } catch {
    // A fault inside a token: the first error says where.
  }
  return null;
}

/** Whether the last of `tokens` is the name of a member: it stands first in an object, or behind a comma of one. */
function isName(tokens: readonly string[]): boolean {
  if (!VALUES.has(tokens.at(-1)!)) return false;
  const previous = tokens.at(-2);
  if (previous === "LBrace") return true;
  if (previous !== "Comma") return false;
  let depth = 0;
  for (const type of tokens.slice(0, -1).reverse()) {
    if (CLOSING.has(type)) depth++;
    else if (OPENING.has(type) && depth-- === 0) return type === "LBrace";
  }
  return false;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

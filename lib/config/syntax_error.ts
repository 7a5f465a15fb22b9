// What to tell about a text that is not JSON5: the parser's words, made clearer where it only knows the
// last token that it saw.

import { tokenize } from "@humanwhocodes/momoa";
import { nearest } from "./nearest.ts";

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

type Explained = Position & { message: string };

/** A token that is no comment. */
interface Token {
  type: string;
  text: string;
  /** Its place in the text. */
  from: number;
}

const OPENING = new Set(["LBrace", "LBracket"]);
const CLOSING = new Set(["RBrace", "RBracket"]);
const VALUES = new Set(["String", "Number", "Boolean", "Null", "Identifier", "NaN", "Infinity"]);
const WORDS = ["true", "false", "null"];
/** Python's words for them. */
const OTHERS_WORDS: Readonly<Record<string, string>> = { none: "null", nil: "null" };

/** The place and cause of a syntax error that momoa threw for `source`, which should be a `root`. */
export function explainSyntaxError(
  source: string,
  error: unknown,
  root: Root = "object",
): Explained {
  if (error instanceof RangeError) return { line: 1, column: 1, message: "nested too deeply" };
  if (!(error instanceof Error)) throw error;
  const { line, column, offset } = error as { line?: number; column?: number; offset?: number };
  if (line === undefined || column === undefined) throw error;
  const tokens = tokensOf(source);
  if (offset !== undefined) {
    const found = endless(source, offset) ??
      unclosed(source, tokens, offset) ??
      outsideRoot(source, tokens, offset, root);
    if (found !== null) return found;
    const lacks = missingBefore(tokens, offset);
    if (lacks !== null) {
      return { line, column, message: `syntax: a ${lacks} is missing before this` };
    }
    const meant = strange(source, tokens, offset);
    if (meant !== null) return { line, column, message: `syntax: ${meant}` };
  }
  const said = error.message.replace(/\s*\(\d+:\d+\)$/, "").replace(/ found\.$/, "");
  const message = `syntax: ${said.charAt(0).toLowerCase()}${said.slice(1)}`;
  const lines = source.split("\n");
  // The end of the input is reported past the last line.
  if (line > lines.length) return { line: lines.length, column: lines.at(-1)!.length + 1, message };
  return { line, column, message };
}

/** Empty where there is a fault inside a token: the parser's error says where. */
function tokensOf(source: string): Token[] {
  try {
    return tokenize(`${source}\n`, { mode: "json5" })
      .filter(({ type }) => !type.endsWith("Comment"))
      .map(({ type, loc: { start, end } }) => ({
        type,
        text: source.slice(start.offset, end.offset),
        from: start.offset,
      }));
  } catch {
    // Not even tokens: what is told is what the parser threw.
    return [];
  }
}

/** Comments and strings, those without an end up to the end of the text. */
const STRETCHES =
  /\/\/.*|\/\*[^]*?(?:\*\/|$)|"(?:\\[^]|[^"\\])*(?:"|\\?$)|'(?:\\[^]|[^'\\])*(?:'|\\?$)/g;

/** A string or a comment without an end, where that is what led to the error at `offset`. */
function endless(source: string, offset: number): Explained | null {
  for (const { 0: text, index } of source.matchAll(STRETCHES)) {
    if (index >= offset) break;
    if (text.startsWith("/*") && !/^\/\*[^]*\*\/$/.test(text)) {
      return at(source, index, "the comment that begins here is not closed");
    }
    // A quote that is missing makes a string of all up to the next one, which the parser takes.
    if (/^["']/.test(text) && (/[^\\]\n/.test(text) || !/^(["'])[^]*\1$/.test(text))) {
      return at(source, index, "the text that begins here has no closing quote in its line");
    }
  }
  return null;
}

/** The innermost bracket that is still open when the token at `offset` is the last of the text. */
function unclosed(source: string, tokens: readonly Token[], offset: number): Explained | null {
  const open: Token[] = [];
  for (const token of tokens) {
    if (OPENING.has(token.type)) open.push(token);
    else if (CLOSING.has(token.type) && open.pop() === undefined) return null;
  }
  const last = open.at(-1);
  return last === undefined || offset < (tokens.at(-1)?.from ?? 0)
    ? null
    : at(source, last.from, `the file ends before this \`${last.text}\` is closed`);
}

/** What is wrong where the text is no such `root`, or goes on behind it. */
function outsideRoot(
  source: string,
  tokens: readonly Token[],
  offset: number,
  root: Root,
): Explained | null {
  const start = /^(?:\s+|\/\/.*|\/\*[^]*?\*\/)*/.exec(source)![0].length;
  if (start === source.length) return at(source, 0, `only comments; ${expectedRoot(root)}`);
  if (source[start] !== OPENINGS[root]) return at(source, start, expectedRoot(root));
  let depth = 0;
  for (const { type, from } of tokens) {
    if (from === offset && offset > start && depth === 0) {
      return at(source, from, `the file's ${root} has ended before this`);
    }
    if (OPENING.has(type)) depth++;
    else if (CLOSING.has(type)) depth--;
  }
  return null;
}

/** What must stand between the token at `offset` and the one before it; null where it is not that. */
function missingBefore(tokens: readonly Token[], offset: number): "comma" | "colon" | null {
  const index = tokens.findIndex(({ from }) => from >= offset);
  if (index < 1) return null;
  const before = tokens.slice(0, index).map(({ type }) => type);
  const { type } = tokens[index];
  if (!VALUES.has(type) && !OPENING.has(type)) return null;
  const last = before.at(-1)!;
  if (!VALUES.has(last) && !CLOSING.has(last)) return null;
  return isName(before) ? "colon" : "comma";
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

/** What was meant by a word without quotes, or a sign, that is right in another language. */
function strange(source: string, tokens: readonly Token[], offset: number): string | null {
  const word = tokens.find(({ type, from }) => type === "Identifier" && from === offset)?.text;
  if (word !== undefined) {
    const meant = OTHERS_WORDS[word.toLowerCase()] ?? nearest(word, WORDS);
    // Not the word: it may be a key.
    return meant === null
      ? "expected a value; a text stands in quotes"
      : `expected a value; did you mean \`${meant}\`?`;
  }
  const sign = source[offset];
  if (sign === "#") return "comments begin with `//`, not with `#`";
  if ("“”„‘’".includes(sign ?? " ")) return `expected plain quotes \`"\`, got \`${sign}\``;
  if (sign === "=") return "expected `:` between a name and its value, got `=`";
  return sign === ";" ? "expected `,` between members, got `;`" : null;
}

function at(source: string, offset: number, message: string): Explained {
  const lines = source.slice(0, offset).split("\n");
  return {
    line: lines.length,
    column: lines.at(-1)!.length + 1,
    message: `syntax: ${message}`,
  };
}

// What to tell about a text that is not JSON5: the parser's words, made clearer where it only knows the
// last token that it saw.

import { tokenize } from "@humanwhocodes/momoa";

/** A place in a text; line and column count from 1. */
export interface Position {
  line: number;
  column: number;
}

const OPENING = new Set(["LBrace", "LBracket"]);
const CLOSING = new Set(["RBrace", "RBracket"]);

/** The place and cause of a syntax error that momoa threw for `source`. */
export function explainSyntaxError(source: string, error: unknown): Position & { message: string } {
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

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

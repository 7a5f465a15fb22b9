// Config text to plain values, remembering where each stands. JSON5, since the original's files are:
// comments, trailing commas, bare keys, single quotes. What the values mean is left to schema.ts.

import { parse as parseJson5 } from "@humanwhocodes/momoa";
import { explainSyntaxError, type Position } from "./syntax_error.ts";

/** Something wrong in a config file. Line and column count from 1. */
export interface Problem {
  file: string;
  line: number;
  column: number;
  /** Where in the options it is: keys and indexes; empty for the file as a whole. */
  path: Path;
  message: string;
  /** The line of a syntax error as it stands in the file, where nothing in it looks like a secret. */
  text?: string;
}

/** A value's path in the file: keys and indexes. */
export type Path = readonly (string | number)[];

export interface Parsed {
  value: unknown;
  /** Where the value at `path` stands, or its key; the nearest ancestor's place when it is missing. */
  at(path: Path, part: "key" | "value"): Position;
}

/** Names of options whose values are never shown, mistyped ones included. */
export const SECRET = /key|token|secret|passw|auth|credential/i;
const WIDTH = 80;

/** The line of a problem and a caret below its column; empty where there is nothing to show. */
export function excerpt({ text, column }: Problem): string[] {
  if (text === undefined || text.trim() === "") return [];
  const from = Math.max(0, column - WIDTH / 2);
  const shown = text.slice(from, from + WIDTH).replaceAll("\t", " ").trimEnd();
  return [`  ${shown}`, `  ${" ".repeat(column - 1 - from)}^`];
}

/** `file:line:column: message`, as compilers say it. */
export function formatProblem(problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`;
}

const MAX_DEPTH = 50;

interface Places {
  key: Position;
  value: Position;
}

/** The part of momoa's nodes that is read here. */
interface Node {
  type: string;
  value?: unknown;
  sign?: string;
  name?: Node | string;
  members?: Node[];
  elements?: Node[];
  loc: { start: Position };
}

/** The values and their places; or the Problems of a text that is not JSON5. */
export function parseText(file: string, text: string): Parsed | Problem[] {
  const source = text.startsWith("\ufeff") ? text.slice(1) : text;
  if (source.trim() === "") {
    return [{
      file,
      line: 1,
      column: 1,
      path: [],
      message: "the file is empty; expected an object `{ … }`",
    }];
  }
  let body: Node;
  try {
    // The line end keeps momoa 3.3 from looping for ever on a text whose last character is a
    // backslash within a string, as a half-written file may be.
    body = parseJson5(`${source}\n`, { mode: "json5" }).body as unknown as Node;
  } catch (error) {
    const { line, column, message } = explainSyntaxError(source, error);
    const text = source.split("\n")[line - 1];
    return [{
      file,
      line,
      column,
      path: [],
      message,
      ...text === undefined || SECRET.test(text) ? {} : { text },
    }];
  }
  const places = new Map<string, Places>();
  const problems: Problem[] = [];
  const value = read(body, [], body.loc.start, places, problems, file);
  if (problems.length > 0) return problems;
  return {
    value,
    at(path, part) {
      for (let length = path.length; length >= 0; length--) {
        const found = places.get(keyOf(path.slice(0, length)));
        if (found !== undefined) return length === path.length ? found[part] : found.value;
      }
      return { line: 1, column: 1 };
    },
  };
}

function keyOf(path: Path): string {
  return JSON.stringify(path);
}

function read(
  node: Node,
  path: Path,
  key: Position,
  places: Map<string, Places>,
  problems: Problem[],
  file: string,
): unknown {
  places.set(keyOf(path), { key, value: node.loc.start });
  if (path.length > MAX_DEPTH) {
    const { line, column } = node.loc.start;
    problems.push({ file, line, column, path, message: `nested deeper than ${MAX_DEPTH}` });
    return null;
  }
  switch (node.type) {
    case "Object": {
      const object: Record<string, unknown> = Object.create(null);
      for (const member of node.members ?? []) {
        const nameNode = member.name as Node;
        const name = String(nameNode.type === "Identifier" ? nameNode.name : nameNode.value);
        const at = [...path, name];
        const before = places.get(keyOf(at));
        if (before !== undefined) {
          const { line, column } = nameNode.loc.start;
          const message = `\`${name}\` stands twice; it is first given in line ${before.key.line}`;
          problems.push({ file, line, column, path: at, message });
          continue;
        }
        object[name] = read(member.value as Node, at, nameNode.loc.start, places, problems, file);
      }
      return { ...object };
    }
    case "Array":
      return (node.elements ?? []).map((element, index) => {
        const child = element.value as Node;
        return read(child, [...path, index], child.loc.start, places, problems, file);
      });
    case "Null":
      return null;
    case "NaN":
      return NaN;
    case "Infinity":
      return node.sign === "-" ? -Infinity : Infinity;
    default:
      return node.value;
  }
}

// Config text to plain values, remembering where each stands. JSON5, since the original's files are:
// comments, trailing commas, bare keys, single quotes. What the values mean is left to schema.ts.

import { parse as parseJson5 } from "@humanwhocodes/momoa";
import { inOnePiece } from "../json/one_piece.ts";
import type { Path } from "./path.ts";
import { plainValue } from "./plain_json.ts";
import { expectedRoot, explainSyntaxError, type Position, type Root } from "./syntax_error.ts";

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

/** What is said of a file without a text. */
export function emptyWords(root: Root): string {
  return `the file is empty; ${expectedRoot(root)}`;
}

/** The values and their places; or the Problems of a text that is not JSON5. `root`: what it should be. */
export function parseText(file: string, text: string, root: Root = "object"): Parsed | Problem[] {
  const source = text.startsWith("\ufeff") ? text.slice(1) : text;
  if (source.trim() === "") {
    return [{
      file,
      line: 1,
      column: 1,
      path: [],
      message: emptyWords(root),
    }];
  }
  const plain = plainValue(source, MAX_DEPTH);
  if (plain !== undefined) {
    let body: Node | null = null;
    return {
      value: plain,
      at: (path, part) => placeOf(body ??= bodyOf(source), path, part),
    };
  }
  let body: Node;
  try {
    body = bodyOf(source);
  } catch (error) {
    const { line, column, message } = explainSyntaxError(source, error, root);
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
  const problems: Problem[] = [];
  const value = read(body, [], problems, file);
  if (problems.length > 0) return problems;
  return { value, at: (path, part) => placeOf(body, path, part) };
}

/** With positions; slow. Throws what momoa throws where it is no JSON5. */
function bodyOf(source: string): Node {
  // The line end keeps momoa 3.3 from looping for ever on a text whose last character is a
  // backslash within a string, as a half-written file may be.
  return parseJson5(`${source}\n`, { mode: "json5" }).body as unknown as Node;
}

/** Looked for when somebody asks: most texts have no fault, and some have ten thousand keys. */
function placeOf(body: Node, path: Path, part: "key" | "value"): Position {
  let node = body;
  let key = body.loc.start;
  for (const step of path) {
    const child = childOf(node, step);
    if (child === null) return node.loc.start;
    ({ key, value: node } = child);
  }
  return part === "key" ? key : node.loc.start;
}

/** The first member of that name, or the element of that number. */
function childOf(node: Node, step: string | number): { key: Position; value: Node } | null {
  if (typeof step === "number") {
    const value = node.elements?.[step]?.value as Node | undefined;
    return value === undefined ? null : { key: value.loc.start, value };
  }
  const member = node.members?.find((one) => nameOf(one) === step);
  return member === undefined
    ? null
    : { key: (member.name as Node).loc.start, value: member.value as Node };
}

function nameOf(member: Node): string {
  const { type, name, value } = member.name as Node;
  return String(type === "Identifier" ? name : value);
}

function read(node: Node, path: Path, problems: Problem[], file: string): unknown {
  if (path.length > MAX_DEPTH) {
    const { line, column } = node.loc.start;
    problems.push({ file, line, column, path, message: `nested deeper than ${MAX_DEPTH}` });
    return null;
  }
  switch (node.type) {
    case "Object": {
      const object: Record<string, unknown> = Object.create(null);
      for (const member of node.members ?? []) {
        const name = nameOf(member);
        const at = [...path, name];
        if (name in object) {
          const { line, column } = (member.name as Node).loc.start;
          const before = childOf(node, name)!.key.line;
          const message = `\`${name}\` stands twice; it is first given in line ${before}`;
          problems.push({ file, line, column, path: at, message });
          continue;
        }
        object[name] = read(member.value as Node, at, problems, file);
      }
      return { ...object };
    }
    case "String":
      return inOnePiece(node.value as string);
    case "Array":
      return (node.elements ?? []).map((element, index) =>
        read(element.value as Node, [...path, index], problems, file)
      );
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

// The text of a list of keys, changed line by line: comments and what people have written by hand stay as
// they are.

import { parse as parseJson5 } from "@humanwhocodes/momoa";
import { z } from "zod";
import { keyOptions } from "./access_options.ts";
import { explainSyntaxError } from "./syntax_error.ts";

const keyList = z.array(keyOptions);

/** What a keys file begins as. */
export const NEW_KEYS_FILE =
  `// Keys of the gateway, one a line: \`simple-ai-gateway keys\` makes and changes them.
[
]
`;

interface Node {
  type: string;
  elements?: { value: Node }[];
  members?: { name: Node; value: Node }[];
  name?: string;
  value?: unknown;
  loc: { start: { offset: number }; end: { offset: number } };
}

interface Entry {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** The options as they are written. */
  readonly options: Record<string, unknown>;
}

/** A list of keys. Every change gives the next text; throws Error with the reason where it is no such list. */
export class KeysText {
  readonly #entries: readonly Entry[];
  /** Where the list's closing bracket stands. */
  readonly #close: number;

  constructor(readonly text: string) {
    let list: Node;
    try {
      list = parseJson5(`${text}\n`, { mode: "json5" }).body as unknown as Node;
    } catch (error) {
      const { line, column, message } = explainSyntaxError(text, error, "list");
      throw new Error(`${line}:${column}: ${message}`);
    }
    if (list.type !== "Array") throw new Error("1:1: expected a list of keys `[ … ]`");
    this.#close = list.loc.end.offset - 1;
    this.#entries = (list.elements ?? []).map(({ value }) => {
      const options = plain(value) as Record<string, unknown>;
      const { start, end } = value.loc;
      return { name: String(options?.name), start: start.offset, end: end.offset, options };
    });
  }

  get names(): string[] {
    return this.#entries.map(({ name }) => name);
  }

  /** The options of all keys, as they are written. */
  get options(): Record<string, unknown>[] {
    return this.#entries.map(({ options }) => options);
  }

  /** The options of the key of this name, as they are written. */
  optionsOf(name: string): Record<string, unknown> | null {
    return this.#entries.find((entry) => entry.name === name)?.options ?? null;
  }

  withNew(options: Record<string, unknown>): KeysText {
    const last = this.#entries.at(-1);
    const line = `  ${lineOf(options)},\n`;
    if (last === undefined) {
      const before = this.text.slice(0, this.#close).replace(/[ \t]*$/, "");
      const gap = before.endsWith("\n") ? "" : "\n";
      return checked(before + gap + line + this.text.slice(this.#close));
    }
    // Behind the last entry: a comma where there is none, then what people wrote there stays above.
    const between = this.text.slice(last.end, this.#close);
    const hasComma = withoutComments(between).includes(",");
    const before = this.text.slice(0, last.end) + (hasComma ? "" : ",") + between.trimEnd();
    return checked(`${before}\n${line}${this.text.slice(this.#close)}`);
  }

  withChanged(name: string, options: Record<string, unknown>): KeysText {
    const { start, end } = this.#entryOf(name);
    return checked(this.text.slice(0, start) + lineOf(options) + this.text.slice(end));
  }

  without(name: string): KeysText {
    const { start, end } = this.#entryOf(name);
    const rest = this.text.slice(end);
    const comma = COMMA.exec(rest);
    const before = this.text.slice(0, start).replace(/[ \t]*$/, "");
    const after = comma === null ? rest : comma[1].trimStart() + rest.slice(comma[0].length);
    return checked(before + after.replace(/^[ \t]*\r?\n/, ""));
  }

  #entryOf(name: string): Entry {
    const found = this.#entries.filter((one) => one.name === name);
    if (found.length === 0) throw new Error(`no key is named \`${name}\``);
    // Whoever is told that a key is gone must not find the other one in its place.
    if (found.length > 1) {
      throw new Error(`${found.length} keys are named \`${name}\`, of which one alone may be`);
    }
    return found[0];
  }
}

/** As a person would write it: one line. */
export function lineOf(options: Record<string, unknown>): string {
  const fields = Object.entries(options).map(([name, value]) =>
    `${JSON.stringify(name)}: ${JSON.stringify(value)}`
  );
  return `{ ${fields.join(", ")} }`;
}

/** The comma behind an entry, and the comments before it: each can be read in one way only, lest it take for ever. */
const COMMA = /^((?:\s|\/\*(?:[^*]|\*(?!\/))*\*\/|\/\/[^\n]*\n)*),/;

/** A text that this program has made is never one that it would not read. */
function checked(text: string): KeysText {
  const next = new KeysText(text);
  const found = keyList.safeParse(next.options);
  if (!found.success) {
    const { path, message } = found.error.issues[0];
    throw new Error(`${path.join(".")}: ${message}`);
  }
  return next;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
}

function plain(node: Node): unknown {
  switch (node.type) {
    case "Object":
      return Object.fromEntries((node.members ?? []).map(({ name, value }) => [
        String(name.type === "Identifier" ? name.name : name.value),
        plain(value),
      ]));
    case "Array":
      return (node.elements ?? []).map(({ value }) => plain(value));
    case "Null":
      return null;
    default:
      return node.value;
  }
}

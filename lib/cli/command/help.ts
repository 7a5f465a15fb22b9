// The help of a command and of the program, from what they declare.

import type { Declaration } from "./declaration.ts";
import type { Flag, Flags } from "./flag.ts";

const WIDTH = 100;
/** A longer flag stands on a line of its own. */
const MOST_TERM = 28;

/** Usage, what it does, its flags by groups, and examples. */
export function helpOf(declared: Declaration): string {
  const { name, about, flags, operands, details, examples } = declared;
  const options = Object.keys(flags).length === 0 ? [] : ["[options]"];
  const usage = ["Usage: simple-ai-gateway", name, ...options, operands?.placeholder ?? ""];
  return [
    usage.join(" ").trimEnd(),
    about,
    ...groupsOf(flags),
    details,
    `Examples:\n${examples.map((one) => indented(one)).join("\n")}`,
  ].filter((part) => part !== undefined).join("\n\n");
}

/** What the program is, and its commands. */
export function overviewOf(version: string, commands: readonly Declaration[]): string {
  const widest = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(widest)}  ${summary}`);
  return `simple-ai-gateway ${version}: one address for a fleet of vLLM servers

Usage: simple-ai-gateway [command] [options]

Commands:
${lines.join("\n")}

Each command explains itself: simple-ai-gateway <command> --help`;
}

/** A block for each heading, in the order in which they come. */
function groupsOf(flags: Flags): string[] {
  const groups = new Map<string, [term: string, about: string][]>();
  for (const [name, flag] of Object.entries(flags)) {
    const heading = flag.more.group ?? "Options";
    groups.set(heading, [...groups.get(heading) ?? [], [termOf(name, flag), aboutOf(flag)]]);
  }
  const terms = [...groups.values()].flat().map(([term]) => term.length);
  const column = Math.max(...terms.filter((length) => length <= MOST_TERM)) + 4;
  return [...groups].map(([heading, entries]) =>
    `${heading}:\n${entries.map(([term, about]) => entryOf(term, about, column)).join("\n")}`
  );
}

function termOf(name: string, { kind, more: { short, alone } }: Flag<unknown>): string {
  const value = kind === null
    ? ""
    : alone === undefined
    ? kind.placeholder
    : `[${kind.placeholder}]`;
  return `${short === undefined ? "" : `-${short}, `}--${name} ${value}`.trimEnd();
}

function aboutOf({ about, fallback, more: { alone } }: Flag<unknown>): string {
  const notes = [
    ...(fallback === undefined ? [] : [`default ${fallback}`]),
    ...(alone === undefined ? [] : [`${alone} without a value`]),
  ];
  return notes.length === 0 ? about : `${about} (${notes.join("; ")})`;
}

function entryOf(term: string, about: string, column: number): string {
  const lines = wrapped(about, WIDTH - column);
  const pad = " ".repeat(column);
  const first = `  ${term}`.padEnd(column);
  return first.length > column
    ? [first, ...lines.map((line) => pad + line)].join("\n")
    : [first + lines[0], ...lines.slice(1).map((line) => pad + line)].join("\n");
}

function wrapped(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function indented(text: string): string {
  return text.split("\n").map((line) => `  ${line}`).join("\n");
}

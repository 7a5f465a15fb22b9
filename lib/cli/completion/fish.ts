// The script for fish.

import { type Completed, type CompletedFlag, PROGRAM } from "./words.ts";

export function fish(all: readonly Completed[]): string {
  const lines = all.flatMap(({ name, summary, flags, words }) => {
    const on = `complete -c ${PROGRAM} -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c ${PROGRAM} -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
      ...flags.map((flag) => `${on} ${flagOf(flag)}`),
      ...(words.length === 0 ? [] : [`${on} -f -a ${quoted(words.join(" "))}`]),
    ];
  });
  return `# Completes ${PROGRAM} in fish.\n${lines.join("\n")}`;
}

function flagOf({ name, short, value, words, isPath, about }: CompletedFlag): string {
  const takes = value === null
    ? ""
    : isPath
    ? " -r -F"
    : words.length > 0
    ? ` -x -a ${quoted(words.join(" "))}`
    : " -x";
  return `${short === undefined ? "" : `-s ${short} `}-l ${name}${takes} -d ${quoted(about)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

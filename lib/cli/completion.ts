// `completion`: a script that lets a shell complete commands and flags. Both are read from the help of
// each command, so that a new flag is completed as soon as it is explained.

import { parseArgs } from "node:util";
import type { Command } from "./main.ts";

export const summary = "prints a script that completes commands and flags in a shell";
export const help = `simple-ai-gateway completion SHELL

SHELL is bash, zsh or fish.

Examples:
  simple-ai-gateway completion bash > /etc/bash_completion.d/simple-ai-gateway
  simple-ai-gateway completion zsh > "\${fpath[1]}/_simple-ai-gateway"
  simple-ai-gateway completion fish > ~/.config/fish/completions/simple-ai-gateway.fish`;

const PROGRAM = "simple-ai-gateway";

interface Flag {
  name: string;
  /** Placeholder of its value, such as FILE; null for a switch. */
  value: string | null;
  about: string;
}

interface Completed {
  name: string;
  summary: string;
  flags: Flag[];
  /** Words that may follow, beside flags and files. */
  words: readonly string[];
}

// deno-lint-ignore require-await -- a command resolves to its exit code
export async function run(
  args: string[],
  known: Readonly<Record<string, Command>>,
): Promise<number> {
  const { positionals: [shell, ...more] } = parseArgs({
    args,
    allowPositionals: true,
    options: {},
  });
  const script = shell === undefined || !Object.hasOwn(SCRIPTS, shell) ? undefined : SCRIPTS[shell];
  if (script === undefined || more.length > 0) {
    const got = shell === undefined ? "nothing" : `\`${[shell, ...more].join(" ")}\``;
    console.error(`expected one of ${Object.keys(SCRIPTS).join(", ")}, got ${got}\nSee --help.`);
    return 2;
  }
  console.log(script(completed(known)));
  return 0;
}

const SCRIPTS: Readonly<Record<string, (all: readonly Completed[]) => string>> = {
  bash,
  zsh,
  fish,
};

function completed(known: Readonly<Record<string, Command>>): Completed[] {
  return Object.entries(known).map(([name, { summary, help }]) => ({
    name,
    summary,
    // `dev` passes its flags on.
    flags: flagsIn(name === "dev" ? known.serve.help : help),
    words: name === "completion" ? Object.keys(SCRIPTS) : [],
  }));
}

/** The flags that a help text explains: lines such as `  --config FILE   file to check`. */
export function flagsIn(help: string): Flag[] {
  const found = [...help.matchAll(/^ {2}(--[a-z][a-z-]*)(?: (\S+))? {2,}(.+)$/gm)];
  const flags = found.map(([, name, value, about]) => ({ name, value: value ?? null, about }));
  return [...flags, { name: "--help", value: null, about: "explains the command" }];
}

/** Whether a value is a file or folder, by its placeholder. */
const isPath = (value: string | null) => value !== null && /FILE|DIR|FOLDER|PATH/.test(value);

function bash(all: readonly Completed[]): string {
  const cases = all.map(({ name, flags, words }) =>
    `    ${name}) words="${[...flags.map((flag) => flag.name), ...words].join(" ")}" ;;`
  );
  const paths = new Set(
    all.flatMap(({ flags }) => flags.filter(({ value }) => isPath(value)).map(({ name }) => name)),
  );
  return `# Completes ${PROGRAM} in bash.
_simple_ai_gateway() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words
  COMPREPLY=()
  case "$before" in
    ${[...paths].join("|")}) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${all.map(({ name }) => name).join(" ")} --help --version" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) words="" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -o filenames -F _simple_ai_gateway ${PROGRAM}`;
}

function zsh(all: readonly Completed[]): string {
  const spec = ({ name, value, about }: Flag) => {
    const told = about.replace(/[[\]:\\']/g, (char) => char === "'" ? `'\\''` : `\\${char}`);
    const takes = value === null ? "" : `:${value}:${isPath(value) ? "_files" : ""}`;
    return `        '*${name}[${told}]${takes}'`;
  };
  const cases = all.map(({ name, flags, words }) => {
    const rest = words.length > 0 ? `'1:shell:(${words.join(" ")})'` : "'*:file:_files'";
    return `      ${name})\n        _arguments \\\n${
      flags.map((flag) => `  ${spec(flag)} \\`).join("\n")
    }\n          ${rest} ;;`;
  });
  const names = all.map(({ name, summary }) => `    '${name}:${summary.replaceAll("'", `'\\''`)}'`);
  return `#compdef ${PROGRAM}
# Completes ${PROGRAM} in zsh.
_simple_ai_gateway() {
  local -a names
  names=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command names
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}
if [ "$funcstack[1]" = "_simple-ai-gateway" ]; then
  _simple_ai_gateway "$@"
else
  compdef _simple_ai_gateway ${PROGRAM}
fi`;
}

function fish(all: readonly Completed[]): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = all.flatMap(({ name, summary, flags, words }) => [
    `complete -c ${PROGRAM} -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
    ...flags.map(({ name: flag, value, about }) => {
      const takes = value === null ? "" : isPath(value) ? " -r -F" : " -x";
      const on = `-n '__fish_seen_subcommand_from ${name}'`;
      return `complete -c ${PROGRAM} ${on} -l ${flag.slice(2)}${takes} -d ${quoted(about)}`;
    }),
    ...(words.length === 0 ? [] : [
      `complete -c ${PROGRAM} -n '__fish_seen_subcommand_from ${name}' -f -a '${words.join(" ")}'`,
    ]),
  ]);
  return `# Completes ${PROGRAM} in fish.\n${lines.join("\n")}`;
}

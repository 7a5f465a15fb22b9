// The script for zsh.

import { type Completed, type CompletedFlag, PROGRAM } from "./words.ts";

export function zsh(all: readonly Completed[]): string {
  const names = all.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`);
  const cases = all.map(({ name, flags, words }) => {
    const rest = words.length > 0 ? `'1:word:(${words.join(" ")})'` : "'*:file:_files'";
    const specs = [...flags.flatMap(specsOf), rest].map((spec) => `          ${spec}`);
    return `      ${name})\n        _arguments \\\n${specs.join(" \\\n")} ;;`;
  });
  return `#compdef ${PROGRAM}
# Completes ${PROGRAM} in zsh.
_simple_ai_gateway() {
  local -a names
  names=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )) && [[ "$words[2]" != -* ]]; then
    _describe command names
    return
  fi
  local command="$words[2]"
  if [[ "$command" == -* ]]; then
    command=${all[0].name}
  else
    shift words
    (( CURRENT-- ))
  fi
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

/** A flag for _arguments, by each of its names. */
function specsOf({ name, short, value, words, isPath, about }: CompletedFlag): string[] {
  const told = quoted(about.replace(/[[\]:\\]/g, (char) => `\\${char}`));
  const offered = isPath ? "_files" : words.length > 0 ? `(${words.join(" ")})` : "";
  const takes = value === null ? "" : `:${value.replaceAll(":", "\\:")}:${offered}`;
  return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]
    .map((form) => `'*${form}[${told}]${takes}'`);
}

/** For a text within single quotes. */
function quoted(text: string): string {
  return text.replaceAll("'", `'\\''`);
}

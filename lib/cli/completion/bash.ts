// The script for bash.

import { type Completed, PROGRAM } from "./words.ts";

export function bash(all: readonly Completed[]): string {
  const names = all.map(({ name }) => name);
  const values = all.flatMap(({ name, flags }) =>
    flags.filter(({ value }) => value !== null).map((flag) => {
      const forms = [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])];
      const pattern = forms.map((form) => `"${name} ${form}"`).join("|");
      const offered = flag.isPath ? "-f" : `-W "${flag.words.join(" ")}"`;
      return `    ${pattern}) COMPREPLY=($(compgen ${offered} -- "$word")); return ;;`;
    })
  );
  const words = all.map(({ name, flags, words }) =>
    `    ${name}) words="${[...flags.map((flag) => `--${flag.name}`), ...words].join(" ")}" ;;`
  );
  return `# Completes ${PROGRAM} in bash.
_simple_ai_gateway() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  local command="\${COMP_WORDS[1]}" words
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ] && [[ "$word" != -* ]]; then
    COMPREPLY=($(compgen -W "${names.join(" ")}" -- "$word"))
    return
  fi
  [[ "$command" != -* ]] || command=${names[0]}
  case "$command $before" in
${values.join("\n")}
  esac
  case "$command" in
${words.join("\n")}
    *) words="" ;;
  esac
  [ "$COMP_CWORD" -gt 1 ] || words="$words --version"
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -o filenames -F _simple_ai_gateway ${PROGRAM}`;
}

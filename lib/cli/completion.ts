// `completion`: a script that lets a shell complete commands, flags and their values.

import { command } from "./command/command.ts";
import { UsageError } from "./command/read.ts";
import { bash } from "./completion/bash.ts";
import { fish } from "./completion/fish.ts";
import { type Completed, completed } from "./completion/words.ts";
import { zsh } from "./completion/zsh.ts";

const SCRIPTS: Readonly<Record<string, (all: readonly Completed[]) => string>> = {
  bash,
  zsh,
  fish,
};
const SHELLS = Object.keys(SCRIPTS);

export const completion = command({
  name: "completion",
  summary: "prints a script that completes commands and flags in a shell",
  about: `SHELL is ${SHELLS.slice(0, -1).join(", ")} or ${SHELLS.at(-1)}.`,
  operands: { placeholder: "SHELL", words: SHELLS },
  flags: {},
  examples: [
    "simple-ai-gateway completion bash > /etc/bash_completion.d/simple-ai-gateway",
    'simple-ai-gateway completion zsh > "${fpath[1]}/_simple-ai-gateway"',
    "simple-ai-gateway completion fish > ~/.config/fish/completions/simple-ai-gateway.fish",
  ],
  // deno-lint-ignore require-await -- a command resolves to its exit code
}, async ({ operands, commands }) => {
  const [shell, ...more] = operands;
  const script = shell !== undefined && Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined || more.length > 0) {
    const got = shell === undefined ? "nothing" : `\`${operands.join(" ")}\``;
    throw new UsageError(`expected one of ${SHELLS.join(", ")}, got ${got}`);
  }
  console.log(script(commands.map(completed)));
  return 0;
});

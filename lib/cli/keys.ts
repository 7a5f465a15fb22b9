// `keys`: makes, shows and changes keys, and tells what they have used. Each of its commands is in keys/.

import { nearest } from "../config/nearest.ts";
import type { Command } from "./command/command.ts";
import { helpOf } from "./command/help.ts";
import { create, importKey, revoke, rotate } from "./keys/change.ts";
import { list, show } from "./keys/show.ts";
import { usage } from "./keys/usage.ts";

const COMMANDS: readonly Command[] = [create, list, show, revoke, rotate, importKey, usage];
/** "create" of "keys create". */
const WORDS = COMMANDS.map(({ name }) => name.slice("keys ".length));

const widest = Math.max(...WORDS.map((word) => word.length));

export const keys: Command = {
  name: "keys",
  summary: "makes, lists and revokes keys, and shows what they, or clients, have used",
  about: `Keys say who may ask, for what and how much.\n\nCommands:\n${
    COMMANDS.map(({ summary }, at) => `  ${WORDS[at].padEnd(widest)}  ${summary}`).join("\n")
  }\n\nEach explains itself: simple-ai-gateway keys <command> --help`,
  flags: {},
  operands: { placeholder: "COMMAND", words: WORDS },
  examples: ["simple-ai-gateway keys create web", "simple-ai-gateway keys usage --by day"],
  async run([word, ...rest], commands = []) {
    if (word === undefined || word === "--help" || word === "-h" || word === "help") {
      const about = COMMANDS[WORDS.indexOf(rest[0] ?? "")] ?? keys;
      console.log(helpOf(about));
      return 0;
    }
    const found = COMMANDS[WORDS.indexOf(word)];
    if (found !== undefined) return await found.run(rest, commands);
    const meant = nearest(word, WORDS);
    const hint = meant === null ? `there are ${WORDS.join(", ")}` : `did you mean \`${meant}\`?`;
    console.error(`unknown command \`keys ${word}\`; ${hint}\nSee simple-ai-gateway keys --help.`);
    return 2;
  },
};

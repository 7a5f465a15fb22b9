// The list of commands, and the choice of one by the first argument.

import * as alert from "./alert.ts";
import * as check from "./check.ts";
import * as completion from "./completion.ts";
import * as dev from "./dev.ts";
import * as exportRecords from "./export.ts";
import * as init from "./init.ts";
import * as logs from "./logs.ts";
import * as serve from "./serve.ts";
import * as simulate from "./simulate.ts";
import * as status from "./status.ts";
import { VERSION } from "../process/version.ts";

export interface Command {
  /** One line for the list of commands. */
  summary: string;
  /** The whole help, with examples. */
  help: string;
  /** Runs it; resolves to the exit code. `known` are all commands, for those that tell of them. */
  run(args: string[], known: Readonly<Record<string, Command>>): Promise<number>;
}

export const commands: Readonly<Record<string, Command>> = {
  serve,
  init,
  check,
  simulate,
  export: exportRecords,
  status,
  logs,
  alert,
  dev,
  completion,
};

/** Runs the command that `args` name; without one, `serve`. Resolves to the exit code. */
export async function main(
  args: readonly string[],
  known: Readonly<Record<string, Command>>,
): Promise<number> {
  const [first] = args;
  if (first === "--version" || first === "-V") {
    console.log(VERSION);
    return 0;
  }
  if (first === "--help" || first === "-h" || first === "help") {
    const wanted = args[1] === undefined ? undefined : known[args[1]];
    console.log(wanted === undefined ? overview(known) : wanted.help);
    return 0;
  }
  const named = first !== undefined && !first.startsWith("-");
  if (named && !Object.hasOwn(known, first)) {
    console.error(`unknown command \`${first}\`\n\n${overview(known)}`);
    return 2;
  }
  const command = named ? known[first] : known.serve;
  const rest = named ? args.slice(1) : [...args];
  if (rest.includes("--help") || rest.includes("-h")) {
    console.log(command.help);
    return 0;
  }
  try {
    return await command.run(rest, known);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    console.error(`${error.message}\nSee --help.`);
    return 2;
  }
}

/** What parseArgs throws for unknown or incomplete options. */
function isUsageError(error: unknown): error is Error {
  return error instanceof Error &&
    String((error as { code?: unknown }).code ?? "").startsWith("ERR_PARSE_ARGS");
}

function overview(known: Readonly<Record<string, Command>>): string {
  const lines = Object.entries(known).map(([name, { summary }]) =>
    `  ${name.padEnd(10)} ${summary}`
  );
  return `simple-ai-gateway ${VERSION}: one address for a fleet of vLLM servers

Usage: simple-ai-gateway [command] [options]

Commands:
${lines.join("\n")}

Each command explains itself: simple-ai-gateway <command> --help`;
}

// The list of commands, and the choice of one by the first argument.

import { nearest } from "../config/nearest.ts";
import { VERSION } from "../process/version.ts";
import { alert } from "./alert.ts";
import { ask } from "./ask.ts";
import { check } from "./check.ts";
import { type Command, orFileWords } from "./command/command.ts";
import { helpOf, overviewOf } from "./command/help.ts";
import { completion } from "./completion.ts";
import { demo } from "./demo.ts";
import { dev } from "./dev.ts";
import { explain } from "./explain.ts";
import { drain, undrain } from "./drain.ts";
import { events } from "./events.ts";
import { exportRecords } from "./export.ts";
import { init } from "./init.ts";
import { keys } from "./keys.ts";
import { licenses } from "./licenses.ts";
import { limits } from "./limits.ts";
import { logs } from "./logs.ts";
import { records } from "./records.ts";
import { requests } from "./requests.ts";
import { plugin } from "./plugin.ts";
import { policies } from "./policies.ts";
import { serve } from "./serve.ts";
import { simulate } from "./simulate.ts";
import { status } from "./status.ts";

/** In the order of the help; the first is taken where none is named. */
export const commands: readonly Command[] = [
  serve,
  init,
  check,
  keys,
  limits,
  policies,
  plugin,
  simulate,
  exportRecords,
  status,
  explain,
  ask,
  events,
  requests,
  drain,
  undrain,
  logs,
  records,
  alert,
  demo,
  dev,
  completion,
  licenses,
];

/** Runs the command that `args` name; without one, the first. Resolves to the exit code. */
export function main(args: readonly string[], known: readonly Command[]): Promise<number> {
  return orFileWords(() => choose(args, known));
}

async function choose(args: readonly string[], known: readonly Command[]): Promise<number> {
  const [first, ...rest] = args;
  if (first === "--version" || first === "-V" || first === "-v" || first === "version") {
    console.log(VERSION);
    return 0;
  }
  if (first === "--help" || first === "-h" || first === "help") {
    const wanted = known.find(({ name }) => name === rest[0]);
    if (rest[0] !== undefined && wanted === undefined) return unknown(rest[0], known);
    console.log(wanted === undefined ? overviewOf(VERSION, known) : helpOf(wanted));
    return 0;
  }
  if (first === undefined || first.startsWith("-")) return await known[0].run(args, known);
  const named = known.find(({ name }) => name === first);
  return named === undefined ? unknown(first, known) : await named.run(rest, known);
}

function unknown(word: string, known: readonly Command[]): number {
  const names = known.map(({ name }) => name);
  const meant = nearest(word, names);
  const isFile = /\.(?:jsonc?|json5)$/.test(word);
  const hint = isFile
    ? `did you mean \`serve --config ${word}\`?`
    : meant === null
    ? `there are ${names.join(", ")}`
    : `did you mean \`${meant}\`?`;
  console.error(`unknown command \`${word}\`; ${hint}\nSee simple-ai-gateway --help.`);
  return 2;
}

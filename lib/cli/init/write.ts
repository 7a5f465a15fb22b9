// What `init` does: asks the instances, fills in what is missing, and writes the file.

import { loadConfig } from "../../config/load.ts";
import { formatProblem } from "../../config/parse.ts";
import { fileWords, isFileProblem } from "../../observe/file_words.ts";
import { UsageError } from "../command/read.ts";
import { CONFIG_FILE } from "../config_file.ts";
import { addressOf, inWords, lookAround, probe } from "../probe.ts";
import { annotated } from "./annotated.ts";

export interface Wanted {
  /** Addresses; none to look for servers on this host. */
  instances: readonly string[];
  fallbacks: readonly string[];
  /** Model of the instances that cannot be asked. */
  model: string | undefined;
  /** Key of the instances, and the environment variable that holds it. */
  key: string | undefined;
  keyVariable: string | undefined;
  host: string;
  port: number;
  dataDir: string;
  /** "-" for standard output. */
  output: string;
  replace: boolean;
}

/** Resolves to the exit code, once it was said what came of it. */
export async function writeConfiguration(wanted: Wanted): Promise<number> {
  if (wanted.output !== "-" && !wanted.replace && await exists(wanted.output)) {
    return failed(`${wanted.output} is there already; --force replaces it, --output names another`);
  }
  const terminal = Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
  const named = wanted.instances.length > 0 ? wanted.instances : await find(wanted.key, terminal);
  const urls = [...new Set(named)];
  if (urls.length === 0) {
    return failed("no instance was named and none was found on this host: name one by --instance");
  }
  const fallbacks = [...new Set(wanted.fallbacks)];

  // A fallback belongs to somebody else: it is not sent the key of the instances.
  const [own, others] = await Promise.all([
    Promise.all(urls.map((url) => probe(url, wanted.key))),
    Promise.all(fallbacks.map((url) => probe(url, undefined))),
  ]);
  for (const one of [...own, ...others]) console.error(`  ${inWords(one)}`);
  const found = own.flatMap(({ models }) => models);
  const spare = wanted.model ?? found[0]?.name ??
    (terminal ? prompt("Model that these instances serve:")?.trim() : undefined);
  if (!spare) {
    return failed("no instance could say what it serves: name its model by --model");
  }

  const text = annotated({
    instances: own,
    fallbacks: others,
    model: spare,
    apiKey: wanted.keyVariable === undefined ? undefined : `\${${wanted.keyVariable}}`,
    host: wanted.host,
    port: wanted.port,
    dataDir: wanted.dataDir,
  });
  const loaded = loadConfig(wanted.output, text, (name) => Deno.env.get(name));
  if (!loaded.ok) {
    for (const problem of loaded.problems) console.error(formatProblem(problem));
    return 1;
  }
  return await write(wanted.output, text, wanted.replace);
}

/** Addresses on this host that speak the API, or those that a person at the terminal names. */
async function find(key: string | undefined, terminal: boolean): Promise<string[]> {
  console.error("Looking for servers on this host …");
  const here = await lookAround(key);
  for (const url of here) console.error(`  found ${url}`);
  if (!terminal) return here;
  const answer = prompt(
    "Addresses of your instances, apart by spaces:",
    here.join(" ") || undefined,
  );
  try {
    return (answer ?? "").split(/[\s,]+/).filter((one) => one !== "").map(addressOf);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(error.message);
  }
}

async function write(path: string, text: string, replace: boolean): Promise<number> {
  if (path === "-") {
    console.log(text.trimEnd());
    return 0;
  }
  try {
    await Deno.writeTextFile(path, text, replace ? {} : { createNew: true });
  } catch (error) {
    if (!isFileProblem(error)) throw error;
    return failed(fileWords(error));
  }
  const config = path === CONFIG_FILE ? "" : ` --config ${path}`;
  console.error(`${path} is written. Start the gateway with: simple-ai-gateway serve${config}`);
  return 0;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function failed(message: string): number {
  console.error(message);
  return 1;
}

// `init`: asks what it needs or takes it as flags, asks the instances what they serve, and writes an
// annotated configuration that can be used as it is.

import { parseArgs } from "node:util";
import { formatProblem } from "../config/parse.ts";
import { loadConfig } from "../config/load.ts";
import { printable } from "./printable.ts";
import { annotated } from "./init/annotated.ts";
import { addresses, lookAround, probe, type Probed } from "./init/probe.ts";

export const summary = "writes a configuration for the instances that it finds";
export const help = `simple-ai-gateway init [options]

Asks each instance for its models and writes an annotated configuration. Without --instance it looks
for servers on this host and, in a terminal, asks.

Options:
  --instance URL   address of an instance, such as http://10.0.0.5:8000; may be repeated
  --fallback URL   address of a fallback instance; may be repeated
  --model NAME     model of the instances that cannot be asked
  --api-key-env N  environment variable with the key of the instances; the file names it, it does not
                   hold the key
  --host ADDRESS   where the gateway listens (default 0.0.0.0)
  --port PORT      and on which port (default 9999)
  --data-dir DIR   folder of records (default ./data)
  --output FILE    file to write (default config.jsonc); - for standard output
  --force          replace a file that is there

Exits with 0 when the file was written, 1 when it was not, 2 for a mistake in the flags.

Examples:
  simple-ai-gateway init
  simple-ai-gateway init --instance http://10.0.0.5:8000 --instance http://10.0.0.6:8000
  simple-ai-gateway init --instance http://10.0.0.5:8000 --api-key-env VLLM_API_KEY --output -`;

const options = {
  instance: { type: "string", multiple: true, default: [] as string[] },
  fallback: { type: "string", multiple: true, default: [] as string[] },
  model: { type: "string" },
  "api-key-env": { type: "string" },
  host: { type: "string", default: "0.0.0.0" },
  port: { type: "string", default: "9999" },
  "data-dir": { type: "string", default: "./data" },
  output: { type: "string", default: "config.jsonc" },
  force: { type: "boolean", default: false },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options, strict: true });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    return usage(`--port: expected 1 to 65535, got \`${values.port}\``);
  }
  const variable = values["api-key-env"];
  if (variable !== undefined && !/^[A-Za-z_]\w*$/.test(variable)) {
    return usage(`--api-key-env: expected the name of a variable, got \`${variable}\``);
  }
  const key = variable === undefined ? undefined : Deno.env.get(variable);
  if (variable !== undefined && key === undefined) {
    return failed(`--api-key-env: environment variable \`${variable}\` is not set`);
  }
  if (values.output !== "-" && !values.force && await exists(values.output)) {
    return failed(`${values.output} is there already; --force replaces it, --output names another`);
  }

  const terminal = Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
  const named = values.instance.length > 0 ? values.instance : await find(key, terminal);
  const urls = addresses(named);
  if (typeof urls === "string") return usage(`--instance: ${urls}`);
  if (urls.length === 0) {
    return failed("no instance was named and none was found on this host: name one by --instance");
  }
  const fallbacks = addresses(values.fallback);
  if (typeof fallbacks === "string") return usage(`--fallback: ${fallbacks}`);

  // A fallback belongs to somebody else: it is not sent the key of the instances.
  const [own, others] = await Promise.all([
    Promise.all(urls.map((url) => probe(url, key))),
    Promise.all(fallbacks.map((url) => probe(url, undefined))),
  ]);
  for (const one of [...own, ...others]) say(one);
  const found = own.flatMap(({ models }) => models);
  const spare = values.model ?? found[0]?.name ??
    (terminal ? prompt("Model that these instances serve:")?.trim() : undefined);
  if (!spare) {
    return failed("no instance could say what it serves: name its model by --model");
  }

  const text = annotated({
    instances: own,
    fallbacks: others,
    model: spare,
    apiKey: variable === undefined ? undefined : `\${${variable}}`,
    host: values.host,
    port,
    dataDir: values["data-dir"],
  });
  const loaded = loadConfig(values.output, text, (name) => Deno.env.get(name));
  if (!loaded.ok) {
    for (const problem of loaded.problems) console.error(formatProblem(problem));
    return 1;
  }
  return await write(values.output, text, values.force);
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
  return (answer ?? "").split(/[\s,]+/).filter((one) => one !== "");
}

function say({ url, models, server, problem }: Probed): void {
  const what = models.map(({ name, maxLength }) =>
    printable(maxLength === null ? name : `${name} (${maxLength} tokens)`)
  );
  const who = server === null ? "" : `, ${server}`;
  console.error(problem === null ? `  ${url}: ${what.join(", ")}${who}` : `  ${url}: ${problem}`);
}

async function write(path: string, text: string, replace: boolean): Promise<number> {
  if (path === "-") {
    console.log(text.trimEnd());
    return 0;
  }
  try {
    await Deno.writeTextFile(path, text, replace ? {} : { createNew: true });
  } catch (error) {
    return failed(`${path} cannot be written: ${error instanceof Error ? error.message : error}`);
  }
  const config = path === "config.jsonc" ? "" : ` --config ${path}`;
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

function usage(message: string): number {
  console.error(`${message}\nSee --help.`);
  return 2;
}

function failed(message: string): number {
  console.error(message);
  return 1;
}

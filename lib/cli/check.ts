// `check`: validates a config file without starting anything.

import { parseArgs } from "node:util";
import { readConfig } from "../config/load.ts";
import { maskSecrets } from "../config/mask.ts";
import { formatProblem } from "../config/parse.ts";

export const summary = "validates a config file";
export const help = `simple-ai-gateway check [--config FILE] [--print]

Options:
  --config FILE   file to check (default config.jsonc)
  --print         also print the effective configuration, secrets masked

Exits with 0, or with 1 and every problem as file:line:column: message.

Example:
  simple-ai-gateway check --config /etc/simple-ai-gateway/config.jsonc --print`;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", default: "config.jsonc" },
      print: { type: "boolean", default: false },
    },
    strict: true,
  });
  const loaded = await readConfig(values.config, (name) => Deno.env.get(name));
  if (!loaded.ok) {
    for (const problem of loaded.problems) console.error(formatProblem(problem));
    return 1;
  }
  if (values.print) console.log(JSON.stringify(maskSecrets(loaded.options), null, 2));
  else console.error(`${values.config}: ok, ${loaded.config.instances.length} instances`);
  return 0;
}

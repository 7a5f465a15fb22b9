// `serve`: flags in, exit code out; the running gateway is in process/.

import { parseArgs } from "node:util";
import { readConfig } from "../config/load.ts";
import { formatProblem } from "../config/parse.ts";
import { LOG_LEVELS, type LogLevel } from "../config/log_level.ts";
import type { Overrides } from "../process/overrides.ts";
import { GatewayProcess } from "../process/process.ts";

export const summary = "runs the gateway (the default command)";
export const help = `simple-ai-gateway serve [options]

Options:
  --config FILE      configuration (default config.jsonc); edited while running, it is reloaded
  --host ADDRESS     address to listen on; beats the file
  --port N           port to listen on, 0 for any free one; beats the file
  --workers N|auto   isolates that serve; beats the file
  --takeover         listen beside the gateway that has the port; SIGUSR2 then sends that one away
  --log-level LEVEL  trace, debug, info, warning, error or fatal; beats the file
  --log-format F     text or json; beats the file

SIGHUP reloads the file. SIGTERM or SIGINT finishes running answers (drain_timeout), a second one ends
at once. SIGUSR2 is for one whose successor listens already: it takes no new connections, and ends when its
answers have.

Examples:
  simple-ai-gateway
  simple-ai-gateway serve --config /etc/simple-ai-gateway/config.jsonc --port 8080
  simple-ai-gateway serve --takeover & kill -USR2 OLD_PID`;

const options = {
  config: { type: "string", default: "config.jsonc" },
  host: { type: "string" },
  port: { type: "string" },
  workers: { type: "string" },
  takeover: { type: "boolean", default: false },
  "log-level": { type: "string" },
  "log-format": { type: "string" },
} as const;

/** What the flags say, or what is wrong with them. */
function readOverrides(values: Record<string, string | boolean | undefined>): Overrides | string {
  const overrides: Record<string, unknown> = {};
  if (values.host !== undefined) overrides.host = values.host;
  if (values.port !== undefined) {
    const port = Number(values.port);
    if (!/^\d+$/.test(String(values.port)) || port > 65535) {
      return `--port: expected a number from 0 to 65535, got \`${values.port}\``;
    }
    overrides.port = port;
  }
  if (values.workers !== undefined) {
    const workers = values.workers === "auto" ? "auto" : Number(values.workers);
    if (workers !== "auto" && !(Number.isInteger(workers) && workers >= 1 && workers <= 63)) {
      return `--workers: expected a number from 1 to 63 or auto, got \`${values.workers}\``;
    }
    overrides.workers = workers;
  }
  if (values["log-level"] !== undefined) {
    const level = values["log-level"] as LogLevel;
    if (!LOG_LEVELS.includes(level)) {
      return `--log-level: expected one of ${LOG_LEVELS.join(", ")}, got \`${level}\``;
    }
    overrides.level = level;
  }
  if (values["log-format"] !== undefined) {
    if (values["log-format"] !== "text" && values["log-format"] !== "json") {
      return `--log-format: expected text or json, got \`${values["log-format"]}\``;
    }
    overrides.format = values["log-format"];
  }
  return overrides as Overrides;
}

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options, strict: true });
  const overrides = readOverrides(values);
  if (typeof overrides === "string") {
    console.error(overrides);
    return 2;
  }
  const { config: path, takeover } = values;
  const env = (name: string) => Deno.env.get(name);
  const read = await readConfig(path, env);
  if (!read.ok) {
    for (const problem of read.problems) console.error(formatProblem(problem));
    return 1;
  }
  const file = { path, text: read.text, options: read.options };
  return await new GatewayProcess({ file, config: read.config, overrides, takeover, env }).run();
}

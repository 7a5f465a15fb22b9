// `serve`: flags in, exit code out; the running gateway is in process/.

import type { Loaded } from "../config/load.ts";
import { LOG_LEVELS } from "../config/log_level.ts";
import { command } from "./command/command.ts";
import { optional, toggle, type Values } from "./command/flag.ts";
import { expected, type Kind, oneOf, text, whole } from "./command/kind.ts";
import { UsageError } from "./command/read.ts";
import type { Overrides } from "../process/overrides.ts";
import { CONFIG_FILE, configFlag, readOrSay } from "./config_file.ts";
import { instanceFlag, keyFlag, keyIn, modelFlag } from "./instance_flags.ts";

const MOST_WORKERS = 63;

const WORKERS: Kind<number | "auto"> = {
  placeholder: "N|auto",
  words: ["auto"],
  read(given) {
    if (given === "auto") return given;
    const count = Number(given);
    if (Number.isInteger(count) && count >= 1 && count <= MOST_WORKERS) return count;
    throw expected(`a number from 1 to ${MOST_WORKERS} or auto`, given);
  },
};

export const FLAGS = {
  config: configFlag("configuration; edited while running, it is reloaded"),
  host: optional(text("ADDRESS"), "address to listen on; beats the file"),
  port: optional(
    whole("N", 0, 65_535),
    "port to listen on, 0 for any free one; beats the file",
  ),
  workers: optional(WORKERS, "isolates that serve; beats the file"),
  takeover: toggle(
    "listen beside the gateway that has the port; SIGUSR2 then sends that one away",
  ),
  "log-level": optional(
    oneOf("LEVEL", LOG_LEVELS),
    `${LOG_LEVELS.join(", ")}: the least that is said; beats the file`,
  ),
  "log-format": optional(oneOf("F", ["text", "json"]), "text or json; beats the file"),
};

export const serve = command({
  name: "serve",
  summary: "runs the gateway (the default command)",
  flags: {
    ...FLAGS,
    instance: instanceFlag("serve this instance, such as http://10.0.0.5:8000, without a file"),
    model: modelFlag,
    "api-key-env": keyFlag("environment variable with the key of --instance"),
  },
  details:
    `--instance needs no file: each instance is asked for its models, every option has its default
(records go to ./data), and nothing is reloaded. \`init\` writes a file of the same instances.

SIGHUP reloads the file. SIGTERM or SIGINT finishes running answers (drain_timeout), a second one
ends at once. SIGUSR2 is for one whose successor listens already: it takes no new connections, and
ends when its answers have.`,
  examples: [
    "simple-ai-gateway",
    "simple-ai-gateway serve --config /etc/simple-ai-gateway/config.jsonc --port 8080",
    "simple-ai-gateway serve --instance http://10.0.0.5:8000 --instance http://10.0.0.6:8000",
    "simple-ai-gateway serve --takeover & kill -USR2 OLD_PID",
  ],
}, async ({ values }) => {
  const { instance: instances, model, "api-key-env": keyVariable, ...rest } = values;
  if (instances.length === 0) {
    if (model === undefined && keyVariable === undefined) return await serveBy(rest);
    throw new UsageError("--model and --api-key-env tell of --instance, which is missing");
  }
  if (values.config !== CONFIG_FILE) {
    throw new UsageError("--instance serves without a file: leave out --config or --instance");
  }
  const key = keyIn(keyVariable);
  if (key === null) return 1;
  const { configurationOf } = await import("./serve/without_file.ts");
  const read = await configurationOf({ instances, model, key, keyVariable });
  return read === null ? 1 : await serveOn(read, null, rest);
});

/** Serves as the flags say; `more` is what another command sets beside them. */
export async function serveBy(
  values: Values<typeof FLAGS>,
  more: Overrides = {},
): Promise<number> {
  const read = await readOrSay(values.config);
  return read === null ? 1 : await serveOn(read, values.config, values, more);
}

/** Serves on what was read; `path` is null where that is no file. */
export async function serveOn(
  read: Extract<Loaded, { ok: true }>,
  path: string | null,
  values: Values<typeof FLAGS>,
  more: Overrides = {},
): Promise<number> {
  const { callers } = read.config;
  if (callers !== null && callers.keys.length === 0 && callers.jwt === null) {
    const file = read.beside[0]?.path ?? path ?? "the configuration";
    console.error(
      `${file}:1:1: there is no key in it, so nobody may ask: \`simple-ai-gateway keys create NAME\` makes one`,
    );
    return 1;
  }
  const { GatewayProcess } = await import("../process/process.ts");
  const { host, port, workers, takeover } = values;
  const given = { host, port, workers, level: values["log-level"], format: values["log-format"] };
  return await new GatewayProcess({
    file: { path, text: read.text, options: read.options, beside: read.beside },
    config: read.config,
    // Only what was given beats the file.
    overrides: {
      ...more,
      ...Object.fromEntries(Object.entries(given).filter(([, one]) => one !== undefined)),
    },
    takeover,
    env: (name) => Deno.env.get(name),
  }).run();
}

// `serve`: flags in, exit code out; the running gateway is in process/.

import { LOG_LEVELS } from "../config/log_level.ts";
import { command } from "./command/command.ts";
import { optional, toggle, type Values } from "./command/flag.ts";
import { expected, type Kind, oneOf, text, whole } from "./command/kind.ts";
import type { Overrides } from "../process/overrides.ts";
import { configFlag, readOrSay } from "./config_file.ts";

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
  flags: FLAGS,
  details:
    `SIGHUP reloads the file. SIGTERM or SIGINT finishes running answers (drain_timeout), a second one
ends at once. SIGUSR2 is for one whose successor listens already: it takes no new connections, and
ends when its answers have.`,
  examples: [
    "simple-ai-gateway",
    "simple-ai-gateway serve --config /etc/simple-ai-gateway/config.jsonc --port 8080",
    "simple-ai-gateway serve --takeover & kill -USR2 OLD_PID",
  ],
}, ({ values }) => serveBy(values));

/** Serves as the flags say; `more` is what another command sets beside them. */
export async function serveBy(
  values: Values<typeof FLAGS>,
  more: Overrides = {},
): Promise<number> {
  const read = await readOrSay(values.config);
  if (read === null) return 1;
  const { GatewayProcess } = await import("../process/process.ts");
  const { host, port, workers, takeover } = values;
  const given = { host, port, workers, level: values["log-level"], format: values["log-format"] };
  return await new GatewayProcess({
    file: { path: values.config, text: read.text, options: read.options },
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

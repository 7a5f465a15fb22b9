// Options that a command line has set: they beat the file, at the start and after each reload.

import type { Config } from "../config/config.ts";

export type Overrides = Partial<Pick<Config, "host" | "port" | "workers">> & Partial<Config["log"]>;

export function withOverrides(config: Config, overrides: Overrides): Config {
  const { level = config.log.level, format = config.log.format, ...rest } = overrides;
  return Object.freeze({ ...config, ...rest, log: { level, format } });
}

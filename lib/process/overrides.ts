// Options that a command line has set: they beat the file, at the start and after each reload.

import type { Config } from "../config/config.ts";

export type Overrides =
  & Partial<Pick<Config, "host" | "port" | "workers">>
  & Partial<Config["log"]>
  /** Shows this host's users everything, whatever the file says. */
  & { adminLocal?: boolean };

export function withOverrides(config: Config, overrides: Overrides): Config {
  const { level = config.log.level, format = config.log.format, adminLocal, ...rest } = overrides;
  const admin = { ...config.admin, local: adminLocal ?? config.admin.local };
  return Object.freeze({ ...config, ...rest, admin, log: { level, format } });
}

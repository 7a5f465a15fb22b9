// The folder of what was written: its flags. What they come to is found by data_dir.ts.

import { optional } from "./command/flag.ts";
import { path } from "./command/kind.ts";
import { CONFIG_FILE } from "./config_file.ts";

export const folderFlags = {
  config: optional(
    path("FILE"),
    `take data_dir from this configuration (default ${CONFIG_FILE}, if it is there)`,
    { short: "c" },
  ),
  "data-dir": optional(path("DIR"), "folder of the records; beats the configuration"),
};

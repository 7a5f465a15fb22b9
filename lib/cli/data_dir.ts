// The folder of what was written, for commands that read it without a gateway.

import { readConfig } from "../config/load.ts";
import { CONFIG_FILE } from "./config_file.ts";

/** `config` undefined: the usual file, if it is there. null after a problem was said. */
export async function dataDirOf(config: string | undefined): Promise<string | null> {
  const path = config ?? CONFIG_FILE;
  const loaded = await readConfig(path, (name) => Deno.env.get(name));
  if (loaded.ok) return loaded.config.dataDir;
  if (config === undefined && loaded.problems[0]?.message === "the file does not exist") {
    return "./data";
  }
  console.error(`${path} has problems; name the folder by --data-dir`);
  return null;
}

// The folder of what was written, for commands that read it without a gateway.

import { readDataDir } from "../config/load.ts";
import { CONFIG_FILE, isThere } from "./config_file.ts";
import { fileWords, isFileProblem } from "../observe/file_words.ts";
import { formatProblem } from "../config/parse.ts";

export interface AskedFolder {
  /** Beats the configuration. */
  readonly "data-dir": string | undefined;
  /** undefined: the usual file, if it is there. */
  readonly config: string | undefined;
}

/** The folder, which is there and can be read; null after it was said what is wrong. */
export async function dataDirToRead(asked: AskedFolder): Promise<string | null> {
  const dataDir = asked["data-dir"] ?? await dataDirOf(asked.config);
  return dataDir !== null && await isReadable(dataDir) ? dataDir : null;
}

/** Says what is wrong where it is not. Nothing of an empty folder looks like nothing of a missing one. */
export async function isReadable(dataDir: string): Promise<boolean> {
  try {
    for await (const _ of Deno.readDir(dataDir)) break;
    return true;
  } catch (error) {
    if (!isFileProblem(error)) throw error;
    if (error instanceof Deno.errors.NotFound) {
      console.error(
        `there is no folder ${dataDir}; --data-dir names another, --config the configuration that does`,
      );
    } else {
      const words = fileWords(error);
      const said = words.startsWith(dataDir) ? words : `${dataDir} cannot be read: ${words}`;
      const isForbidden = error instanceof Deno.errors.PermissionDenied;
      console.error(`${said}${isForbidden ? "; the gateway's own user may, and root" : ""}`);
    }
    return false;
  }
}

/** `config` undefined: the usual file, if it is there. null after a problem was said. */
export async function dataDirOf(config: string | undefined): Promise<string | null> {
  const path = config ?? CONFIG_FILE;
  if (config === undefined && !await isThere(path)) return "./data";
  const found = await readDataDir(path, (name) => Deno.env.get(name));
  if (typeof found === "string") return found;
  console.error(formatProblem(found));
  console.error("--data-dir names the folder without the configuration");
  return null;
}

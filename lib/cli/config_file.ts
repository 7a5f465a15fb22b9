// The configuration file of a command: its flag, and what is said where the file cannot be used.

import type { Loaded } from "../config/load.ts";
import { withDefault } from "./command/flag.ts";
import { path } from "./command/kind.ts";
import { printable } from "./printable.ts";

export const CONFIG_FILE = "config.jsonc";

/** `-c`, `--config`. */
export function configFlag(about: string) {
  return withDefault(path("FILE"), CONFIG_FILE, about, { short: "c" });
}

/** The configuration in `file`; null after its problems were said. */
export async function readOrSay(file: string): Promise<Extract<Loaded, { ok: true }> | null> {
  const [{ readConfig }, { excerpt, formatProblem }] = await Promise.all([
    import("../config/load.ts"),
    import("../config/parse.ts"),
  ]);
  const loaded = await readConfig(file, (name) => Deno.env.get(name));
  if (loaded.ok) return loaded;
  for (const problem of loaded.problems) {
    console.error(formatProblem(problem));
    for (const line of excerpt(problem)) console.error(printable(line, " "));
  }
  if (loaded.problems[0].message === "the file does not exist") {
    console.error(
      "`simple-ai-gateway init` writes one for the instances that it finds, --config names another, " +
        "`serve --instance URL` serves without, and `dev` shows all of it with simulated instances.",
    );
  }
  return null;
}

export async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

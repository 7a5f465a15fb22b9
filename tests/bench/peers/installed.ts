// Peers that come from the Python Package Index, each in a virtual environment of its own below the cache, so
// that nothing of the machine's own is changed.

import { tmpdir } from "node:os";
import { join } from "node:path";

const HOME = Deno.env.get("HOME");
const CACHE = join(
  Deno.env.get("XDG_CACHE_HOME") ?? (HOME === undefined ? tmpdir() : join(HOME, ".cache")),
  "simple-ai-gateway-tests/peers",
);

/** What is not to be had here, and why. */
export class Missing extends Error {}

async function run(command: string, args: string[]): Promise<void> {
  let result: Deno.CommandOutput;
  try {
    result = await new Deno.Command(command, { args, stdin: "null" }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Missing(`${command} is not installed`);
  }
  if (result.success) return;
  const said = new TextDecoder().decode(result.stderr).trim().split("\n").at(-1);
  throw new Missing(`${command} ${args.join(" ")}: ${said}`);
}

/**
 * The folder of programs of an environment that has `requirement` (`name==version`), made where it is not
 * there yet. Throws Missing where it cannot be made.
 */
export async function installed(requirement: string): Promise<string> {
  const folder = join(CACHE, requirement.replaceAll(/[^\w.=-]/g, "_"));
  const whole = join(folder, "installed");
  try {
    await Deno.stat(whole);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(CACHE, { recursive: true });
    await run("python3", ["-m", "venv", "--clear", folder]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement];
    await run(join(folder, "bin/python"), pip);
    // Last, so that an installation that was cut is made anew.
    await Deno.writeTextFile(whole, requirement);
  }
  return join(folder, "bin");
}

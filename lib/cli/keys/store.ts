// The keys file that commands change: found by the configuration, locked while it is changed, written whole
// or not at all, and readable by its owner alone.

import { dirname, join } from "node:path";
import { keysFileIn } from "../../config/load.ts";
import { KeysText, NEW_KEYS_FILE } from "../../config/keys_text.ts";

/** A lock that is older was left behind. */
const STALE_LOCK_MS = 10_000;
const LOCK_TRIES = 100;
const LOCK_PAUSE_MS = 50;

/** The keys file of a configuration: its path; null where it names none. Throws Error. */
export async function keysFileOf(config: string): Promise<string | null> {
  let text: string;
  try {
    text = await Deno.readTextFile(config);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "the file does not exist"
      : String(error);
    throw new Error(`${config}:1:1: ${reason}`);
  }
  return keysFileIn(config, text, (name) => Deno.env.get(name));
}

/** Changes the file at `path`; one that is not there begins empty. Throws Error with its place. */
export async function changeKeys(
  path: string,
  change: (keys: KeysText) => KeysText,
): Promise<void> {
  await using _ = await lock(`${path}.lock`);
  let text = NEW_KEYS_FILE;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  let next: KeysText;
  try {
    next = change(new KeysText(text.trim() === "" ? NEW_KEYS_FILE : text));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`);
  }
  const temporary = await Deno.makeTempFile({ dir: dirname(path), prefix: ".keys-" });
  try {
    await Deno.writeTextFile(temporary, next.text, { mode: 0o600 });
    if (Deno.build.os !== "windows") await Deno.chmod(temporary, 0o600);
    await Deno.rename(temporary, await targetOf(path));
  } catch (error) {
    await Deno.remove(temporary);
    throw error;
  }
}

/** A symlink stays one: what it leads to is replaced. */
async function targetOf(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return join(path);
    throw error;
  }
}

async function lock(path: string): Promise<AsyncDisposable> {
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    try {
      (await Deno.open(path, { write: true, createNew: true })).close();
      return { [Symbol.asyncDispose]: () => Deno.remove(path) };
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    const made = (await Deno.stat(path).catch(() => null))?.mtime?.getTime() ?? Date.now();
    if (Date.now() - made > STALE_LOCK_MS) await Deno.remove(path).catch(() => {});
    else await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
  }
  throw new Error(`${path} is there: another command is changing the keys`);
}

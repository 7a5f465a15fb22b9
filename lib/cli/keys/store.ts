// The keys file that commands change: found by the configuration, locked while it is changed, written whole
// or not at all, and readable by whoever could read it; a new one by its owner alone.

import { dirname } from "node:path";
import { keysFileIn, loadConfig, unreadable } from "../../config/load.ts";
import { KeysText, NEW_KEYS_FILE } from "../../config/keys_text.ts";
import { putInPlace } from "../../files/replace.ts";
import { giveRights, statOf, targetOf } from "../../files/rights.ts";

const LOCK_TRIES = 100;
const LOCK_PAUSE_MS = 50;
/** An editor knows of no lock: what it saves meanwhile is changed instead. */
const SAVED_MEANWHILE_TRIES = 5;

const env = (name: string) => Deno.env.get(name);

/** The keys file of a configuration: its path; null where it names none. Throws Error. */
export async function keysFileOf(config: string): Promise<string | null> {
  let text: string;
  try {
    text = await Deno.readTextFile(config);
  } catch (error) {
    throw new Error(`${config}:1:1: ${unreadable(error)}`);
  }
  return keysFileIn(config, text, env);
}

/**
 * Changes the file at `path`; one that is not there begins empty. Throws Error with its place, and where `config`,
 * which names it, could not be read with what it would hold then: a gateway would go on with the keys of before.
 */
export async function changeKeys(
  path: string,
  change: (keys: KeysText) => KeysText,
  config?: string,
): Promise<void> {
  const target = await targetOf(path);
  await using _ = await lock(`${target}.lock`);
  for (let tries = 0; tries < SAVED_MEANWHILE_TRIES; tries++) {
    if (await changedAsRead(path, target, change, config)) return;
  }
  throw new Error(`${path}: it is saved again and again while it is changed`);
}

/** False where it is another text by the time at which it would be replaced; nothing is changed then. */
async function changedAsRead(
  path: string,
  target: string,
  change: (keys: KeysText) => KeysText,
  config: string | undefined,
): Promise<boolean> {
  const before = await statOf(target);
  const text = before === null ? NEW_KEYS_FILE : await Deno.readTextFile(target);
  let next: KeysText;
  try {
    const keys = new KeysText(text.trim() === "" ? NEW_KEYS_FILE : text);
    next = change(keys);
    if (config !== undefined) await refuseNewProblem(config, keys.text, next.text);
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`);
  }
  // Beside the file: what is renamed must not leave its disk.
  const temporary = await Deno.makeTempFile({ dir: dirname(target), prefix: ".keys-" });
  try {
    await Deno.writeTextFile(temporary, next.text, { mode: 0o600 });
    // A new one has had its mode from the beginning.
    if (before !== null) await giveRights(temporary, before);
    const now = await statOf(target) === null ? NEW_KEYS_FILE : await Deno.readTextFile(target);
    const isAsRead = now === text;
    await (isAsRead ? putInPlace(temporary, target) : Deno.remove(temporary));
    return isAsRead;
  } catch (error) {
    await Deno.remove(temporary);
    throw error;
  }
}

/** What is wrong already is no reason: a change may be a part of putting it right. */
async function refuseNewProblem(config: string, before: string, after: string): Promise<void> {
  const text = await Deno.readTextFile(config);
  const problemsWith = (keysText: string) => {
    const loaded = loadConfig(config, text, env, keysText);
    // Which number an entry has is no part of it: others may have gone from before it.
    return loaded.ok
      ? []
      : loaded.problems.map(({ message }) => message.replace(/^\[\d+\]\.?/, ""));
  };
  const known = new Set(problemsWith(before));
  const fresh = problemsWith(after).find((message) => !known.has(message));
  if (fresh === undefined) return;
  throw new Error(`nothing was changed: ${config} could not be read with it (${fresh})`);
}

/** The system's own lock ends with the process that holds it, however that ends. */
async function lock(path: string): Promise<AsyncDisposable> {
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    const file = await Deno.open(path, { write: true, create: true, mode: 0o600 });
    try {
      if (await file.tryLock(true) && await isNamed(file, path)) {
        return {
          [Symbol.asyncDispose]: async () => {
            await Deno.remove(path);
            file.close();
          },
        };
      }
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
  }
  throw new Error(`${path} is there: another command is changing the keys`);
}

/** Not where who held it has taken it away since it was opened. */
async function isNamed(file: Deno.FsFile, path: string): Promise<boolean> {
  return (await file.stat()).ino === (await statOf(path))?.ino;
}

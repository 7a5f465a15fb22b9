// Fetches llama.cpp (the npm package node-llama-cpp, prebuilt) for the tests with a real model. It
// lives in a cache folder and not in deno.json: as an import it would bring every GPU build of
// itself, hundreds of megabytes, to everybody who only starts the gateway.

import { tmpdir } from "node:os";
import { join } from "node:path";
import { exists } from "../support/exists.ts";

/** A folder with `node_modules/node-llama-cpp` in it, or the reason why there is none. */
export type Engine = { folder: string } | { missing: string };

const lockFile = new URL("./engine/package-lock.json", import.meta.url);

/**
 * Why this machine cannot run the real model, or null where it can. Only the prebuilt engine for
 * Linux on x64 is pinned, to keep the download small.
 */
export function unsupported(): string | null {
  const { os, arch } = Deno.build;
  if (os === "linux" && arch === "x86_64") return null;
  return `the engine is pinned for linux-x86_64 only, this is ${os}-${arch}`;
}

/**
 * The pinned engine, installed by npm on first use (9 s, 85 MB on disk) and kept for the next
 * time under $XDG_CACHE_HOME or ~/.cache. Install scripts are not run. Throws when npm fails.
 */
export async function installEngine(): Promise<Engine> {
  const reason = unsupported();
  if (reason !== null) return { missing: reason };
  const folder = join(cacheRoot(), `engine-${await fingerprint(lockFile)}`);
  if (await exists(folder)) return { folder };

  await Deno.mkdir(cacheRoot(), { recursive: true });
  const building = await Deno.makeTempDir({ dir: cacheRoot(), prefix: "engine-building-" });
  try {
    for (const name of ["package.json", "package-lock.json"]) {
      await Deno.copyFile(new URL(`./engine/${name}`, import.meta.url), join(building, name));
    }
    const problem = await npmInstall(building);
    if (problem !== null) return { missing: problem };
    await renameUnlessThere(building, folder);
    return { folder };
  } finally {
    await Deno.remove(building, { recursive: true }).catch(() => {
      // Renamed to its final name: nothing is left to remove.
    });
  }
}

/**
 * `npm install` and not `npm ci`: the engine lists builds for platforms that not every registry has,
 * which `npm ci` takes for a stale lock file. Versions and checksums come from the lock file all the same.
 */
async function npmInstall(folder: string): Promise<string | null> {
  const npm = new Deno.Command("npm", {
    args: ["install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"],
    cwd: folder,
    stdout: "null",
    stderr: "piped",
  });
  let output: Deno.CommandOutput;
  try {
    output = await npm.output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "npm is not installed";
    throw error;
  }
  if (output.success) return null;
  throw new Error(`npm install in ${folder} failed:\n${new TextDecoder().decode(output.stderr)}`);
}

/** Two test files may install at the same time: the first to finish wins, either will do. */
async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    if (!await exists(to)) throw error;
  }
}

function cacheRoot(): string {
  const home = Deno.env.get("HOME");
  const cache = Deno.env.get("XDG_CACHE_HOME") ??
    (home === undefined ? undefined : join(home, ".cache"));
  return join(cache ?? tmpdir(), "simple-ai-gateway-tests");
}

async function fingerprint(file: URL): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(file));
  return new Uint8Array(digest).toHex().slice(0, 16);
}

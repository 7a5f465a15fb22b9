// The program as one JavaScript module, and how a Deno runtime is told to run it: what the self-extracting
// executable and the npm package have in common.

import project from "../deno.json" with { type: "json" };
import { join } from "node:path";
import { PERMISSION_FLAGS, V8_FLAGS } from "./runtime_flags.ts";

export const ROOT = join(import.meta.dirname!, "..");

/** Flags of `deno run` before the module's path: nothing is fetched, no file of the caller's is read. */
export const BUNDLE_FLAGS: readonly string[] = [
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  ...project.unstable.map((feature) => `--unstable-${feature}`),
  V8_FLAGS,
  ...PERMISSION_FLAGS,
];

interface Ran {
  success: boolean;
  /** Standard output and standard error, without colours. */
  said: string;
}

/** Runs this Deno with `args` in the project's folder. */
export async function deno(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ran> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { success, said: text.decode(stdout) + text.decode(stderr) };
}

/**
 * What packages name and nobody has: sketches-js forgets to declare what only its protobuf form needs, which
 * the gateway never asks for.
 */
const MISSING = ["protobufjs/minimal"];

/**
 * JavaScript without a character beyond ASCII: one of them, and the runtime keeps a copy of the whole source
 * with two bytes for each character. The bundler escapes those of strings and leaves those of patterns.
 */
function inAscii(source: string): string {
  return source.replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The module's bytes, in ASCII. */
export async function bundle(): Promise<Uint8Array<ArrayBuffer>> {
  const path = await Deno.makeTempFile({ suffix: ".mjs" });
  try {
    const left = MISSING.flatMap((name) => ["--external", name]);
    const ran = await deno([
      "bundle",
      "--frozen",
      "--minify",
      ...left,
      "--output",
      path,
      "main.ts",
    ]);
    if (!ran.success) throw new Error(`deno bundle failed:\n${ran.said}`);
    return new TextEncoder().encode(inAscii(await Deno.readTextFile(path)));
  } finally {
    await Deno.remove(path);
  }
}

// Makes a self-extracting executable for POSIX systems: launcher.sh, the bundled program and a Deno
// runtime in one file. Bundling the program is left to the caller, starting to launcher.sh.

import { createHash } from "node:crypto";
import launcher from "./launcher.sh" with { type: "text" };

/** The parts are aligned to blocks, so that `dd`, which every POSIX system has, can copy them fast. */
const BLOCK = 65536;
const NEWLINE = 10;

export interface Parts {
  /** Name of the program: of its cache directory and in its messages. */
  name: string;
  version: string;
  /** Target triple of the runtime, for the reader of the file's first lines. */
  platform: string;
  /** One JavaScript module, in UTF-8. */
  program: Uint8Array;
  /** The `deno` binary. */
  runtime: Uint8Array;
  /** Flags of `deno run` before the program's path: words that need no quoting. */
  flags: readonly string[];
}

/** The executable's bytes. The same parts give the same bytes. */
export function assemble(parts: Parts): Uint8Array {
  const program = padded(parts.program);
  const flags = parts.flags.join(" ");
  if (/[^A-Za-z0-9=,.: -]/.test(flags)) throw new Error(`flags that need quoting: ${flags}`);
  const build = createHash("sha256")
    .update(launcher).update(flags).update(program).update(parts.runtime)
    .digest("hex").slice(0, 32);
  const values: Record<string, string> = {
    name: parts.name,
    version: parts.version,
    platform: parts.platform,
    build,
    block: String(BLOCK),
    programBlocks: String(program.length / BLOCK),
    runtimeSize: String(parts.runtime.length),
    flags,
  };
  const script = launcher.replace(
    /\{(name|version|platform|build|block|programBlocks|runtimeSize|flags)\}/g,
    (_, key: string) => values[key],
  );
  const header = padded(new TextEncoder().encode(script));
  if (header.length !== BLOCK) throw new Error(`launcher.sh is longer than ${BLOCK} bytes`);
  const file = new Uint8Array(header.length + program.length + parts.runtime.length);
  file.set(header, 0);
  file.set(program, header.length);
  file.set(parts.runtime, header.length + program.length);
  return file;
}

/** `bytes`, ended by newlines up to a whole number of blocks: harmless to a script and to a module. */
function padded(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(bytes.length / BLOCK) * BLOCK).fill(NEWLINE);
  out.set(bytes);
  return out;
}

// `deno task lock` has Deno bring tests/deno.lock up to date and then writes deno.lock by this: the part of
// it that the program itself needs. Deno fetches everything that a lock file names, so a start by the whole
// one would fetch what only tests use.

import { join } from "node:path";
import project from "../deno.json" with { type: "json" };

const ROOT = join(import.meta.dirname!, "..");

interface Lock {
  version: string;
  specifiers: Record<string, string>;
  npm: Record<string, { dependencies?: string[]; optionalDependencies?: string[] }>;
  workspace: unknown;
}

/** Text of deno.lock, from tests/deno.lock and what lib/ imports. */
export async function programLock(): Promise<string> {
  const whole: Lock = JSON.parse(await Deno.readTextFile(join(ROOT, "tests/deno.lock")));
  const wanted = Object.entries(project.imports);
  const specifiers: Lock["specifiers"] = {};
  const npm: Lock["npm"] = {};
  const take = (name: string) => {
    const id = Object.keys(whole.npm).find((one) => one === name || one.startsWith(`${name}@`));
    if (id === undefined) throw new Error(`tests/deno.lock has no ${name}`);
    if (id in npm) return;
    npm[id] = whole.npm[id];
    const { dependencies = [], optionalDependencies = [] } = whole.npm[id];
    for (const dependency of [...dependencies, ...optionalDependencies]) take(dependency);
  };
  for (const name of await importedPackages()) {
    const [, specifier] = wanted.find(([key]) => key === name) ?? [];
    if (specifier === undefined) throw new Error(`deno.json imports no ${name}`);
    specifiers[specifier] = whole.specifiers[specifier];
    take(`${name}@${whole.specifiers[specifier]}`);
  }
  const lock = { version: whole.version, specifiers, npm: sorted(npm), workspace: whole.workspace };
  return `${JSON.stringify(lock, null, 2)}\n`;
}

/** Names of the packages that lib/ imports, in order. */
async function importedPackages(): Promise<string[]> {
  const found = new Set<string>();
  for await (const path of sources(join(ROOT, "lib"))) {
    const text = await Deno.readTextFile(path);
    for (
      const [, name] of text.matchAll(
        /(?:\bfrom|\bimport\s*\()\s*"(@[^/"]+\/[^/"]+|[^./"@:][^/":]*)/g,
      )
    ) {
      if (name in project.imports) found.add(name);
    }
  }
  return [...found].sort();
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    // The pages bring their libraries along.
    if (entry.isDirectory && entry.name !== "pages") yield* sources(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1));
}

if (import.meta.main) await Deno.writeTextFile(join(ROOT, "deno.lock"), await programLock());

// What a module of lib/ exports is a promise to others: a value that nobody imports is its own. Types are left
// out, since they say what is exported.

import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";

const ROOT = join(import.meta.dirname!, "..");
const VALUE =
  /^export (?:async )?(?:const|let|function\*?|class|abstract class) ([A-Za-z_$][\w$]*)/gm;
const NAMED =
  /\b(?:import|export)\s+(?:type\s+)?(?:\w+\s*,\s*)?\{([^}]*)\}\s*from\s*"(\.{1,2}\/[^"]+)"/g;
/** Modules that are imported as a whole, or when they are needed. */
const WHOLE = /(?:\*\s*(?:as \w+\s*)?from\s*|\bimport\(\s*|\bnew URL\(\s*)"(\.{1,2}\/[^"]+)"/g;

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* sources(path);
    else if (/\.(?:ts|js|mjs)$/.test(entry.name)) yield path;
  }
}

/** The text of each module of the program and of what is beside it, by its path from the root. */
async function modules(): Promise<Map<string, string>> {
  const texts = new Map([["main.ts", await Deno.readTextFile(join(ROOT, "main.ts"))]]);
  for (const folder of ["lib", "tests", "tools", "examples"]) {
    for await (const path of sources(join(ROOT, folder))) {
      texts.set(relative(ROOT, path), await Deno.readTextFile(path));
    }
  }
  return texts;
}

/** The values that are exported and imported nowhere, as `path name`. */
function unused(texts: ReadonlyMap<string, string>): string[] {
  const taken = new Set<string>();
  const whole = new Set<string>();
  for (const [path, text] of texts) {
    const target = (specifier: string) => join(dirname(path), specifier);
    for (const [, names, specifier] of text.matchAll(NAMED)) {
      for (const name of names.split(",")) {
        const [own] = name.trim().replace(/^type /, "").split(" as ");
        taken.add(`${target(specifier)} ${own.trim()}`);
      }
    }
    for (const [, specifier] of text.matchAll(WHOLE)) whole.add(target(specifier));
  }
  return [...texts].flatMap(([path, text]) =>
    !path.startsWith("lib/") || path.endsWith(".js") || whole.has(path)
      ? []
      : [...text.matchAll(VALUE)].map(([, name]) => `${path} ${name}`).filter((one) =>
        !taken.has(one)
      )
  );
}

Deno.test("an export that nobody imports is found, whatever form imports have", () => {
  const texts = new Map([
    ["lib/a.ts", "export const one = 1;\nexport function two() {}\nexport type Three = 3;\n"],
    ["lib/b/c.ts", 'import { type Three, one as first } from "../a.ts";\nexport class Four {}\n'],
    ["lib/d.ts", "export const five = 5;\n"],
    ["main.ts", 'const { five } = await import("./lib/d.ts");\n'],
  ]);
  assert.deepEqual(unused(texts), ["lib/a.ts two", "lib/b/c.ts Four"]);
});

Deno.test("every value that lib/ exports is imported somewhere", async () => {
  assert.deepEqual(unused(await modules()), []);
});

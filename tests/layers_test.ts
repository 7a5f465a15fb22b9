// Holds the imports of main.ts and lib/ to the way of a request: cli, server, forward, then the
// stages beside each other, then config and http. What a folder is for stands in docs/architecture.md.

import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";

const ROOT = join(import.meta.dirname!, "..");

/** What the process is put together from. */
const BELOW_PROCESS = [
  "discover",
  "peers",
  "server",
  "caller",
  "forward",
  "policy",
  "pool",
  "record",
]
  .concat("requests", "observe", "alert", "api", "sse", "config", "http", "json")
  .concat("files", "machine");

/** Which folders of lib/ a folder may import from, itself apart. A new folder gets a line here. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  cli: ["process", ...BELOW_PROCESS, "simulate", "dashboard"],
  process: [...BELOW_PROCESS, "dashboard"],
  server: ["caller", "forward", "policy", "pool", "record", "observe", "api", "sse"]
    .concat("config", "http", "json", "machine"),
  caller: ["redis", "pool", "observe", "config", "http", "json", "files"],
  forward: ["policy", "pool", "observe", "api", "sse", "config", "http", "json", "machine"],
  policy: ["api", "sse", "config", "http", "json"],
  pool: ["observe", "config"],
  requests: ["observe", "http"],
  record: ["observe", "api", "sse", "http", "json", "files"],
  alert: ["observe", "config", "machine"],
  observe: ["api", "config", "http", "files"],
  api: ["sse", "http", "json"],
  sse: ["http", "json"],
  discover: ["config", "files"],
  peers: ["redis", "pool", "config", "http", "json"],
  redis: ["config"],
  config: ["http", "json", "files"],
  http: [],
  json: [],
  files: [],
  machine: [],
  // A leaf: a simulated instance knows nothing of the gateway.
  simulate: [],
  // Shows what these hold; a page knows nothing of the request path.
  dashboard: ["record", "requests", "observe", "config", "http"],
};

interface Import {
  from: string;
  to: string;
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* sources(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

/** The relative imports of a module, static, re-exported or dynamic; paths from the root. */
export function importsOf(path: string, text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const specifiers = code.matchAll(
    /(?:\bfrom|\bimport|\bimport\s*\(|\bnew URL\()\s*["'](\.{1,2}\/[^"']+)["']/g,
  );
  return [...specifiers].map((match) => ({
    from: relative(ROOT, path),
    to: relative(ROOT, join(dirname(path), match[1])),
  }));
}

/** "pool" of "lib/pool/lease.ts"; null outside lib/. */
function folderOf(path: string): string | null {
  return path.match(/^lib\/([^/]+)\//)?.[1] ?? null;
}

async function allImports(): Promise<Import[]> {
  const found: Import[] = [];
  for await (const path of sources(join(ROOT, "lib"))) {
    found.push(...importsOf(path, await Deno.readTextFile(path)));
  }
  return found;
}

Deno.test("imports are found in every form they can be written in", () => {
  const text = [
    `import { a } from "./a.ts";`,
    `import type { B } from '../http/b.ts';`,
    `import "./c.ts";`,
    `export * from "./d.ts";`,
    `const e = await import("./e.ts");`,
    `// import { no } from "./no.ts";`,
    `import { z } from "zod";`,
  ].join("\n");
  assert.deepEqual(
    importsOf(join(ROOT, "lib/pool/x.ts"), text).map((found) => found.to),
    ["lib/pool/a.ts", "lib/http/b.ts", "lib/pool/c.ts", "lib/pool/d.ts", "lib/pool/e.ts"],
  );
});

Deno.test("the layers themselves have no cycle", () => {
  const settled = new Set<string>();
  const visit = (folder: string, way: readonly string[]): void => {
    assert.ok(!way.includes(folder), `cycle: ${[...way, folder].join(" -> ")}`);
    if (settled.has(folder)) return;
    for (const next of MAY_IMPORT[folder]) visit(next, [...way, folder]);
    settled.add(folder);
  };
  for (const folder of Object.keys(MAY_IMPORT)) visit(folder, []);
});

Deno.test("every folder of lib/ has its place in the layers", async () => {
  for await (const entry of Deno.readDir(join(ROOT, "lib"))) {
    assert.ok(entry.isDirectory, `lib/${entry.name}: files belong into a folder`);
    assert.ok(entry.name in MAY_IMPORT, `lib/${entry.name} has no line in MAY_IMPORT`);
  }
});

const DATA = ["deno.json", "config.schema.json", "config.jsonc"];

Deno.test("nothing in lib/ imports from a layer above it", async () => {
  const wrong = (await allImports()).filter(({ from, to }) => {
    const own = folderOf(from);
    const other = folderOf(to);
    // Outside lib/ there is only data: the project file with its version, schema and example.
    if (other === null) return !DATA.includes(to);
    return own === null || (other !== own && !MAY_IMPORT[own]?.includes(other));
  });
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

// The two at the top may use all that is below them.
const ASSEMBLING = ["cli", "process"];

Deno.test("each import that is allowed is made", async () => {
  const made = new Set(
    (await allImports()).map(({ from, to }) => `${folderOf(from)} ${folderOf(to)}`),
  );
  const unused = Object.entries(MAY_IMPORT).flatMap(([folder, allowed]) =>
    ASSEMBLING.includes(folder)
      ? []
      : allowed.map((other) => `${folder} ${other}`).filter((pair) => !made.has(pair))
  );
  assert.deepEqual(unused, []);
});

Deno.test("the table of lib/process names each of its files, and no other", async () => {
  const text = await Deno.readTextFile(join(ROOT, "docs/architecture.md"));
  const table = text.split("| File in `lib/process`")[1].split("\n\n")[0];
  const named = table.split("\n").slice(2).flatMap((row) => {
    const cell = row.split("|")[1];
    const folder = /^ `([^`]+\/)`: /.exec(cell)?.[1] ?? "";
    return [...cell.matchAll(/`([^`]+\.ts)`/g)].map((name) => folder + name[1]);
  });
  const folder = join(ROOT, "lib/process");
  const files = await Array.fromAsync(sources(folder), (path) => relative(folder, path));
  assert.deepEqual(named.toSorted(), files.toSorted());
});

Deno.test("the table of folders names each, and says of the lower ones what they import", async () => {
  const text = await Deno.readTextFile(join(ROOT, "docs/architecture.md"));
  const rows = [...text.matchAll(/^\| `lib\/(\w+)` +\|[^|]*\|([^|]*)\|$/gm)];
  assert.deepEqual(rows.map(([, folder]) => folder).toSorted(), Object.keys(MAY_IMPORT).toSorted());
  for (const [, folder, cell] of rows) {
    const said = cell.trim();
    // Of the upper ones it tells in words how far down they reach.
    if (!/^(nothing|`\w+`(, `\w+`)*)$/.test(said)) continue;
    const named = [...said.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    assert.deepEqual(named.toSorted(), MAY_IMPORT[folder].toSorted(), folder);
  }
});

Deno.test("no module is part of an import cycle, types included", async () => {
  const graph = new Map<string, string[]>();
  for await (const path of sources(join(ROOT, "lib"))) {
    const text = await Deno.readTextFile(path);
    graph.set(relative(ROOT, path), importsOf(path, text).map(({ to }) => to));
  }
  const settled = new Set<string>();
  const visit = (module: string, way: readonly string[]): void => {
    assert.ok(!way.includes(module), `cycle: ${[...way, module].join(" -> ")}`);
    if (settled.has(module)) return;
    for (const next of graph.get(module) ?? []) visit(next, [...way, module]);
    settled.add(module);
  };
  for (const module of graph.keys()) visit(module, []);
});

// What a newcomer relies on before any code runs: the documents agree with each other and with the
// tasks, and nothing in the repository depends on one machine or on a registry that is out of reach.

import assert from "node:assert/strict";
import { join } from "node:path";
import { V8_FLAGS } from "../tools/runtime_flags.ts";

const ROOT = join(import.meta.dirname!, "..");
const project = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));

const read = (name: string) => Deno.readTextFile(join(ROOT, name));

/** Files below a folder that belong to the project, with paths from the root. */
async function* files(folder: string): AsyncGenerator<string> {
  const skipped = [".git", "dist", "coverage", "data", "node_modules"];
  for await (const entry of Deno.readDir(join(ROOT, folder))) {
    if (skipped.includes(entry.name)) continue;
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* files(path);
    else if (entry.isFile) yield path;
  }
}

/** Every text file of the project with its text. */
async function* texts(): AsyncGenerator<[path: string, text: string]> {
  for await (const path of files("")) {
    if (/\.(ts|js|sh|json|jsonc|md|service|html|css)$/.test(path) || path === ".ci/run") {
      yield [path, await read(path)];
    }
  }
}

interface Outline {
  /** Levels of the headings in order, as "##". */
  headings: string[];
  /** Fenced blocks in order, fences included. */
  blocks: string[];
  tableRows: number;
}

function outline(markdown: string): Outline {
  const blocks = [...markdown.matchAll(/^```[^\n]*\n[\s\S]*?^```$/gm)].map((match) => match[0]);
  const prose = blocks.reduce((text, block) => text.replace(block, ""), markdown);
  return {
    headings: [...prose.matchAll(/^(#+) /gm)].map((match) => match[1]),
    blocks,
    tableRows: [...prose.matchAll(/^\|/gm)].length,
  };
}

Deno.test("both READMEs have the same headings, tables and code", async () => {
  const english = outline(await read("README.md"));
  const chinese = outline(await read("README_zh.md"));
  assert.ok(english.blocks.length > 0);
  assert.deepEqual(chinese, english);
});

Deno.test("every task, command and file that the READMEs name exists", async () => {
  const text = await read("README.md");
  for (const [, task] of text.matchAll(/deno(?:@[\d.]+)? task ([a-z]+)/g)) {
    assert.ok(task in project.tasks, `task ${task}`);
  }
  for (const [, command] of text.matchAll(/^(?:\.\/)?simple-ai-gateway ([a-z]+)/gm)) {
    await Deno.stat(join(ROOT, "lib/cli", `${command}.ts`));
  }
  for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)) {
    await Deno.stat(join(ROOT, target));
  }
});

Deno.test("every command of the program is in the READMEs' table", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "main.ts", "--help"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const help = new TextDecoder().decode(stdout);
  const text = await read("README.md");
  for (const command of ["serve", "check", "simulate", "export", "status", "logs", "alert"]) {
    assert.match(help, new RegExp(`\\b${command}\\b`));
    assert.match(text, new RegExp(`^\\| \`${command}`, "m"));
  }
});

Deno.test("the project file has its tasks, and pins every package it uses exactly", () => {
  for (const task of ["dev", "start", "test", "check", "bench", "compile"]) {
    assert.ok(task in project.tasks, task);
  }
  for (const [name, target] of Object.entries(project.imports)) {
    assert.match(String(target), /^npm:(@[\w-]+\/)?[\w.-]+@\d+\.\d+\.\d+(\/.*)?$/, name);
  }
});

Deno.test("the tasks that start the gateway give V8 the flags of the executable", () => {
  for (const task of ["dev", "start"] as const) {
    assert.ok(project.tasks[task].command.includes(` ${V8_FLAGS} `), task);
  }
});

Deno.test("the changelog has the version, and the license is the one named", async () => {
  assert.match(await read("CHANGELOG.md"), new RegExp(`^## ${project.version}\\b`, "m"));
  assert.equal(project.license, "Apache-2.0");
  const license = await read("LICENSE");
  assert.match(license, /Apache License\s+Version 2\.0, January 2004/);
  assert.match(license, /END OF TERMS AND CONDITIONS/);
});

Deno.test("nothing is imported from the JSR registry or from a URL", async () => {
  for await (const [path, text] of texts()) {
    if (!/\.(ts|js|json)$/.test(path)) continue;
    assert.doesNotMatch(text, /["']jsr:|["']@std\//, path);
    assert.doesNotMatch(text, /\bfrom\s*["']https?:|\bimport\s*\(?\s*["']https?:/, path);
  }
});

Deno.test("no file names a place that only one machine has", async () => {
  // Written in parts, so that this file does not find itself.
  const place = new RegExp(
    `(^|[\\s"'\`(=])/(${["wo" + "rk", "ho" + "me/\\w+", "ro" + "ot"].join("|")})/`,
    "m",
  );
  for await (const [path, text] of texts()) {
    const found = text.match(place);
    assert.equal(found, null, `${path}: ${found?.[0]}`);
  }
});

Deno.test("every file with tests is found by the test task", async () => {
  for await (const path of files("")) {
    if (!path.endsWith(".ts")) continue;
    if (!/^Deno\.test(\.\w+)?\(/m.test(await read(path))) continue;
    assert.ok(path.startsWith("tests/") && path.endsWith("_test.ts"), path);
  }
});

Deno.test(
  "the steps that users and CI run are executable",
  { ignore: Deno.build.os === "windows" },
  async () => {
    assert.ok(((await Deno.stat(join(ROOT, ".ci/run"))).mode! & 0o111) !== 0);
  },
);

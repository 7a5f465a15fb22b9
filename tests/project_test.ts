// What a newcomer relies on before any code runs: the documents agree with each other and with the
// tasks, and nothing in the repository depends on one machine or on a registry that is out of reach.

import assert from "node:assert/strict";
import { join } from "node:path";
import { programLock } from "../tools/lock.ts";
import { PERMISSION_FLAGS, V8_FLAGS } from "../tools/runtime_flags.ts";
import { startProcess, startSimulators, temporaryFolder } from "./support/processes.ts";

const ROOT = join(import.meta.dirname!, "..");
const project = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));

const read = (name: string) => Deno.readTextFile(join(ROOT, name));

/** A package of the npm registry in exactly one version. */
const PINNED = /^npm:(@[\w-]+\/)?[\w.-]+@\d+\.\d+\.\d+(\/.*)?$/;

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

/** English pages that there are in Chinese, too. */
async function translated(): Promise<string[]> {
  const found: string[] = [];
  for await (const path of files("")) {
    if (path.endsWith("_zh.md")) found.push(path.replace("_zh.md", ".md"));
  }
  return found;
}

Deno.test("both languages of a page have the same headings, tables and code", async () => {
  const pages = await translated();
  assert.ok(pages.includes("README.md") && pages.length > 1, pages.join());
  for (const page of pages) {
    const english = outline(await read(page));
    const chinese = outline(await read(page.replace(".md", "_zh.md")));
    assert.ok(english.headings.length > 0, page);
    assert.deepEqual(chinese, english, page);
  }
});

Deno.test("both languages of a guide lead to each other, and tables name the same things", async () => {
  /** What is code in the first cell of each row: names of states, alerts, flags and messages. */
  const named = (text: string) =>
    [...text.matchAll(/^\| (`[^|]*?) *\|/gm)].map(([, cell]) => cell.trim());
  for (const page of await translated()) {
    const [english, chinese] = [await read(page), await read(page.replace(".md", "_zh.md"))];
    const name = page.split("/").at(-1)!;
    assert.ok(english.includes(`](${name.replace(".md", "_zh.md")})`), page);
    assert.ok(chinese.includes(`](${name})`), page);
    assert.deepEqual(named(chinese), named(english), page);
  }
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
    assert.match(String(target), PINNED, name);
  }
});

Deno.test("what only tests and tools use is pinned where it is imported, in one version", async () => {
  const versions = new Map<string, string>();
  for await (const [path, text] of texts()) {
    if (!/\.(ts|js)$/.test(path) || path.includes("/vendor/")) continue;
    for (
      const [, specifier] of text.matchAll(/(?:\bfrom|\bimport\s*\(?|resolve\()\s*"(npm:[^"]+)"/g)
    ) {
      assert.match(specifier, PINNED, path);
      assert.ok(!path.startsWith("lib/") || path === "lib/dashboard/vendor_entry.js", path);
      const [, name, version] = specifier.match(/^npm:(@?[^@]+)@([\d.]+)/)!;
      assert.equal(versions.get(name) ?? version, version, `${path}: ${name}`);
      versions.set(name, version);
    }
  }
  assert.ok(versions.size > 8);
});

Deno.test("the tasks that start the program let it do and give V8 what the executable has", () => {
  for (const task of ["dev", "start", "cli"] as const) {
    const { command } = project.tasks[task];
    assert.ok(command.includes(` ${PERMISSION_FLAGS.join(" ")} ${V8_FLAGS} main.ts`), task);
  }
});

Deno.test("a task that runs code from npm runs what its lock file names, or fails", () => {
  for (const [task, { command }] of Object.entries<{ command: string }>(project.tasks)) {
    for (const part of command.split(" && ")) {
      if (!/\bdeno (run|test|check)\b/.test(part) || part.includes("tools/lock.ts")) continue;
      assert.match(part, /^([A-Z_]+=\w+ )*deno (run|test|check) .*--frozen /, task);
    }
  }
});

Deno.test("files are left out of the first folder alone, deeper ones first: of others the runner does not leave them out", () => {
  const depth = (path: string) => path.split("/").filter((name) => name !== "").length;
  for (const [task, { command }] of Object.entries<{ command: string }>(project.tasks)) {
    const ignored = /--ignore=(\S+)/.exec(command)?.[1].split(",");
    if (ignored === undefined) continue;
    const [first, ...others] = command.split(" ").filter((word) => word.startsWith("tests/"));
    for (const path of ignored) assert.ok(`${path}/`.startsWith(first), `${task}: ${path}`);
    for (const path of others) assert.ok(depth(path) <= depth(first), `${task}: ${path}`);
  }
});

Deno.test("what the test task leaves out, others run, nothing of it twice, and CI runs all", async () => {
  const leftOut = (task: string): string[] =>
    project.tasks[task].command.match(/--ignore=(\S+)/)[1].split(",");
  const named = (task: string): string[] =>
    project.tasks[task].command.split(" ").filter((word: string) => word.startsWith("tests/"));
  const folders = [...named("test:faults"), ...named("test:access")];
  const isInFolder = (path: string) => folders.some((folder) => path.startsWith(`${folder}/`));
  const slow = named("test:slow");
  assert.deepEqual(leftOut("test:faults"), slow.filter(isInFolder));
  const elsewhere = [...slow.filter((path) => !isInFolder(path)), ...folders].sort();
  assert.deepEqual(leftOut("test"), elsewhere);
  for (const path of slow) await Deno.stat(join(ROOT, path));
  const tasks = [
    "test",
    "test:faults",
    "test:access",
    "test:slow",
    "test:workers",
    "test:fetch",
    "test:deno_serve",
  ];
  for (const task of tasks) assert.match(await read(".ci/run"), new RegExp(`run_tests ${task}"`));
});

Deno.test("the task that runs the program lets it do what it needs: serve, with workers, and record", async () => {
  await using simulators = await startSimulators();
  await using folder = await temporaryFolder();
  const config = join(folder.path, "config.jsonc");
  const dataDir = join(folder.path, "data");
  const instances = simulators.urls.map((url) => ({ url, model_name: "demo" }));
  await Deno.writeTextFile(config, JSON.stringify({ instances, data_dir: dataDir, workers: 2 }));
  // Not by `deno task`, which would stand between the signal and the program.
  const [, ...command] = project.tasks.cli.command.split(" ");
  await using gateway = startProcess(Deno.execPath(), {
    args: [...command, "serve", "--host", "127.0.0.1", "--port", "0", "--config", config],
  });
  const [, url] = await gateway.waitForOutput(/listening on (http:\S+)/);
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "demo", messages: [{ role: "user", content: "Hello" }] }),
  });
  assert.equal(response.status, 200, await response.text());
  assert.equal(
    (await fetch(`${url}/metrics`).then((one) => one.text())).includes("disk_free"),
    true,
  );
  assert.equal((await gateway.stop()).code, 0, gateway.output());
  const records = await Array.fromAsync(Deno.readDir(join(dataDir, "requests_responses")));
  assert.equal(records.length, 1);
});

Deno.test("deno.lock is the part of tests/deno.lock that the program needs (deno task lock)", async () => {
  const text = await read("deno.lock");
  assert.equal(text, await programLock());
  const packages = Object.keys(JSON.parse(text).npm);
  assert.ok(packages.some((name) => name.startsWith("zod@")));
  for (const name of packages) {
    assert.doesNotMatch(name, /openai|anthropic|langchain|playwright|axe-core|smtp-server/);
  }
});

Deno.test("a task fetches what the program needs, and nothing that only tests use", async () => {
  await using cache = await temporaryFolder();
  // Nothing can be fetched into an empty cache here; what would be is named.
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "cli", "--version"],
    cwd: ROOT,
    env: { DENO_DIR: cache.path, NPM_CONFIG_REGISTRY: "http://127.0.0.1:9/", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert.notEqual(code, 0, said);
  const wanted = Object.keys(JSON.parse(await read("deno.lock")).npm);
  const tried = [...said.matchAll(/127\.0\.0\.1:9\/(\S+?)[\s:)]/g)].map(([, name]) =>
    decodeURIComponent(name).replace(/\/-\/.*/, "")
  );
  assert.ok(tried.length > 0, said);
  for (const name of tried) assert.ok(wanted.some((one) => one.startsWith(`${name}@`)), name);
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
    if (!/^Deno\.test(\.(only|ignore))?\(/m.test(await read(path))) continue;
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

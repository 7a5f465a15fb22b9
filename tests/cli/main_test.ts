// The program's first argument.

import assert from "node:assert/strict";
import { join } from "node:path";
import project from "../../deno.json" with { type: "json" };
import { commands } from "../../lib/cli/main.ts";
import { ROOT, startProcess, temporaryFolder } from "../support/processes.ts";

async function ran(args: string[], cwd = ROOT) {
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), ...args],
    cwd,
  });
  const { code } = await child.status;
  return { code, out: child.stdout().trim(), err: child.stderr().trim() };
}

Deno.test("the version is told for each way to ask", async () => {
  for (const word of ["--version", "-V", "-v", "version"]) {
    assert.deepEqual(await ran([word]), { code: 0, out: project.version, err: "" });
  }
});

Deno.test("each command explains itself, with examples, within the width of a page", async () => {
  const { out: overview } = await ran(["--help"]);
  for (const { name, summary } of commands) {
    assert.ok(overview.includes(`  ${name.padEnd(10)}  ${summary}`), name);
  }
  for (const { name, run } of commands) {
    const said: string[] = [];
    const { log } = console;
    console.log = (line: string) => said.push(line);
    try {
      assert.equal(await run(["--help"]), 0);
    } finally {
      console.log = log;
    }
    const help = said.join("\n");
    assert.ok(help.startsWith(`Usage: simple-ai-gateway ${name}`), help);
    const [text, examples] = help.split("\nExamples:\n");
    assert.match(examples, /^ {2}simple-ai-gateway/);
    for (const line of text.split("\n")) assert.ok(line.length <= 100, line);
  }
  assert.equal((await ran(["help", "logs"])).out, (await ran(["logs", "--help"])).out);
});

Deno.test("a misspelt command is answered with the nearest one", async () => {
  const { code, err } = await ran(["serv"]);
  assert.equal(code, 2);
  assert.match(err, /^unknown command `serv`; did you mean `serve`\?$/m);
  assert.match((await ran(["help", "statsu"])).err, /did you mean `status`/);
  assert.match((await ran(["constructor"])).err, /there are serve, init, check/);
});

Deno.test("where there is no configuration, the error says what to do", async () => {
  await using folder = await temporaryFolder();
  for (const args of [[], ["serve"], ["check"], ["alert"]]) {
    const { code, err } = await ran(args, folder.path);
    assert.equal(code, 1);
    assert.match(err, /^config\.jsonc:1:1: the file does not exist$/m);
    assert.match(err, /`simple-ai-gateway init` writes one/);
  }
});

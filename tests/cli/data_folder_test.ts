// Commands that read what a gateway wrote, where it is not there or cannot be read: one sentence that names
// the folder, and not the answer of an empty one.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, startProcess, temporaryFolder } from "../support/processes.ts";

async function ran(cwd: string, ...args: string[]) {
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), ...args],
    cwd,
  });
  const { code } = await child.status;
  return { code, out: child.stdout(), err: child.stderr() };
}

const COMMANDS: readonly [command: string[], reads: string][] = [
  [["events"], "events.jsonl"],
  [["requests"], "requests"],
  [["logs"], "requests_responses"],
  [["keys", "usage"], "usage"],
  [["records", "delete", "--client", "10.0.0.7"], "requests_responses"],
];

for (const [command, reads] of COMMANDS) {
  const name = command.slice(0, 2).join(" ");

  Deno.test(`${name} says that there is no folder, and what names another`, async () => {
    await using folder = await temporaryFolder();
    const { code, out, err } = await ran(folder.path, ...command);
    assert.equal(code, 1, err);
    assert.equal(out, "");
    assert.match(err, /^there is no folder \.\/data; --data-dir names another, .*\n$/);
  });

  Deno.test(`${name} says what cannot be read, without a stack`, async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "file");
    await Deno.writeTextFile(file, "no folder");
    const notOne = await ran(folder.path, ...command, "--data-dir", file);
    assert.equal(notOne.code, 1, notOne.err);
    assert.match(notOne.err, /file cannot be read: Not a directory\n$/);
    const data = join(folder.path, "data");
    await Deno.mkdir(data);
    if (reads === "events.jsonl") await Deno.mkdir(join(data, reads));
    else await Deno.writeTextFile(join(data, reads), "in the way");
    const inside = await ran(folder.path, ...command);
    assert.equal(inside.code, 1, inside.err);
    const reason = reads === "events.jsonl" ? "Is a directory" : "Not a directory";
    assert.equal(inside.err, `./data/${reads} cannot be read: ${reason}\n`.replace(/^\.\//, ""));
  });
}

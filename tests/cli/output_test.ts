// Where what is said cannot go: a reader that has enough, and a device that is full.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, startProcess, temporaryFolder } from "../support/processes.ts";

const ignore = Deno.build.os === "windows";

/** Runs the program with `args` under a shell, which `rest` tells where its output goes. */
async function shell(args: string, rest: string) {
  const program = `"${Deno.execPath()}" run -A "${join(ROOT, "main.ts")}" ${args}`;
  await using child = startProcess("bash", {
    args: ["-c", `${program} ${rest}; echo "codes \${PIPESTATUS[*]}"`],
    cwd: ROOT,
  });
  await child.waitForOutput(/^codes /m);
  return { codes: /codes (.*)/.exec(child.stdout())?.[1], err: child.stderr().trim() };
}

Deno.test({
  name: "export ends without a word where its reader has enough",
  ignore,
  async fn() {
    await using folder = await temporaryFolder();
    const records = join(folder.path, "requests_responses");
    await Deno.mkdir(records);
    const turns = [{ from: "human", value: "hi" }, { from: "gpt", value: "x".repeat(1000) }];
    const line = `${JSON.stringify({ conversations: turns, meta: { model: "m" } })}\n`;
    await Deno.writeTextFile(join(records, "20260131_12.jsonl"), line.repeat(5000));
    for (const format of ["sharegpt", "openai", "parquet"]) {
      const args = `export --data-dir "${folder.path}" --format ${format}`;
      assert.deepEqual(await shell(args, "| head -c 10 > /dev/null"), { codes: "0 0", err: "" });
    }
  },
});

Deno.test({
  name: "what goes on ends where its reader has enough",
  ignore,
  async fn() {
    await using folder = await temporaryFolder();
    const records = join(folder.path, "requests_responses");
    await Deno.mkdir(records);
    const meta = { started_at: "2026-01-31T12:00:00Z", note: "x".repeat(1000) };
    const line = JSON.stringify({ id: "r", conversations: [], meta });
    await Deno.writeTextFile(join(records, "20260131_12.jsonl"), `${line}\n`.repeat(1000));
    const followed = `logs --follow --json --since 2026-01-01 --data-dir "${folder.path}"`;
    assert.deepEqual(await shell(followed, "| head -n 1 > /dev/null"), { codes: "0 0", err: "" });
    // Nobody is there; that is said each second.
    const watched = "status --watch --url http://127.0.0.1:1";
    assert.deepEqual(await shell(watched, "| head -n 1 > /dev/null"), { codes: "0 0", err: "" });
  },
});

Deno.test({
  name: "a full device is told in one line, and by the exit code",
  ignore: ignore || Deno.build.os !== "linux",
  async fn() {
    for (const args of ["--help", "--version", "help export", "export --help", "completion bash"]) {
      const { codes, err } = await shell(args, "> /dev/full");
      assert.deepEqual([codes, err], ["1", "No space left on device"], args);
    }
  },
});

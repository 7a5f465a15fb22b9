// The export command's --output: a file that is whole or as it was, whoever else writes it and whatever ends the
// command.

import assert from "node:assert/strict";
import { join } from "node:path";
import { exportRecords } from "../../lib/cli/export.ts";
import { ROOT, startProcess } from "../support/processes.ts";
import { noDisk, smallDisk } from "../support/small_disk.ts";
import { waitFor } from "../support/wait.ts";
import { day, lines, record, stand } from "./export_stand.ts";

Deno.test({
  name: "--output keeps a file's mode and the symlink to it, and is no end of a pipe or a device",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using there = await stand({ [day]: lines(record("a", ["hi", "hello"])), "real": "old" });
    const { dir } = there;
    const output = join(dir, "out");
    await Deno.symlink("real", output);
    await Deno.chmod(join(dir, "real"), 0o600);
    const { code, text } = await there.export("--data-dir", dir);
    assert.equal(code, 0);
    assert.equal(JSON.parse(text)[0].id, "a");
    assert.ok((await Deno.lstat(output)).isSymlink);
    assert.equal(await Deno.readTextFile(join(dir, "real")), text);
    assert.equal((await Deno.stat(join(dir, "real"))).mode! & 0o777, 0o600);

    await Deno.remove(output);
    await new Deno.Command("mkfifo", { args: [output] }).output();
    const reader = new Deno.Command("cat", { args: [output], stdout: "piped" }).spawn();
    const read = reader.output();
    const [{ stdout }] = await Promise.all([
      read,
      exportRecords.run(["--data-dir", dir, "--output", output]),
    ]);
    assert.equal(new TextDecoder().decode(stdout), text);
    assert.ok((await Deno.stat(output)).isFifo);
  },
});

Deno.test("an output that cannot be made is told by its name", async () => {
  await using at = await stand({ [day]: lines(record("a", ["x", "y"])), file: "" });
  const said: string[] = [];
  for (const name of ["nowhere/out", "file/out"]) {
    const exported = await at.exportTo(join(at.dir, name), "--data-dir", at.dir);
    assert.equal(exported.code, 1);
    said.push(exported.said);
  }
  assert.equal(said[0], `${join(at.dir, "nowhere/out")} does not exist`);
  assert.match(said[1], /file.out cannot be (opened|read): Not a directory$/);
});

Deno.test("an export to a folder's name is refused, and leaves nothing beside it", async () => {
  await using there = await stand({
    [day]: lines(record("a", ["hi", "hello"])),
    "out/kept": "",
  });
  const { code, said } = await there.export("--data-dir", there.dir);
  assert.equal(code, 1);
  assert.match(said, /out is a folder/);
  const names = await Array.fromAsync(Deno.readDir(there.dir), ({ name }) => name);
  assert.deepEqual(names.sort(), ["out", "requests_responses"]);
});

Deno.test("exports to one name at one time leave one of them whole, and nothing beside it", async () => {
  await using there = await stand({
    "a.jsonl": lines(...Array.from({ length: 2000 }, (_, at) => record(`a${at}`, ["hi", "hello"]))),
    "b.jsonl": lines(...Array.from({ length: 500 }, (_, at) => record(`b${at}`, ["hi", "hello"]))),
  });
  const output = join(there.dir, "out");
  const codes = await Promise.all(
    ["a", "b"].map((name) =>
      exportRecords.run([join(there.dir, `${name}.jsonl`), "--output", output])
    ),
  );
  assert.deepEqual(codes, [0, 0]);
  const written: { id: string }[] = JSON.parse(await Deno.readTextFile(output));
  assert.equal(new Set(written.map(({ id }) => id[0])).size, 1);
  const names = await Array.fromAsync(Deno.readDir(there.dir), ({ name }) => name);
  assert.deepEqual(names.sort(), ["a.jsonl", "b.jsonl", "out"]);
});

Deno.test({
  name: "an export whose last piece finds no room leaves nothing",
  ignore: noDisk,
  async fn() {
    await using there = await stand({ [day]: lines(record("a", ["hi", "hello".repeat(20_000)])) });
    await using disk = (await smallDisk(64))!;
    const output = join(disk.path, "out");
    await Deno.writeTextFile(join(disk.path, "other"), "");
    assert.equal(await exportRecords.run(["--data-dir", there.dir, "--output", output]), 1);
    const names = await Array.fromAsync(Deno.readDir(disk.path), ({ name }) => name);
    assert.deepEqual(names, ["other"]);
  },
});

Deno.test({
  name: "an export that a signal ends leaves nothing of its output",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using there = await stand({
      "a.jsonl": lines(record("a", ["hi", "x".repeat(20_000)])).repeat(4000),
    });
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
      await using child = startProcess(Deno.execPath(), {
        args: ["run", "-A", join(ROOT, "main.ts"), "export", "a.jsonl", "--output", "out"],
        cwd: there.dir,
      });
      const names = () => Array.from(Deno.readDirSync(there.dir), ({ name }) => name).sort();
      await waitFor(() => names().length > 1, "the output's beginning");
      child.signal(signal);
      assert.deepEqual([(await child.status).code, names()], [code, ["a.jsonl"]]);
    }
  },
});

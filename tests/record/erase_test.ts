// What `records delete` takes out of the files of records, and what it leaves.

import assert from "node:assert/strict";
import { join } from "node:path";
import { hourName } from "../../lib/observe/hour_name.ts";
import { pack } from "../../lib/observe/packed_file.ts";
import { eraseFrom } from "../../lib/record/erase.ts";
import { recordFacts } from "../../lib/record/line_facts.ts";
import { ROOT, startProcess, temporaryFolder } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { linesOf, namesIn, NOW, put, record } from "./kept_hours.ts";

Deno.test({
  name:
    "records delete that is killed while it rewrites the file of this hour costs no other record",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using folder = await temporaryFolder();
    const complete = join(folder.path, "requests_responses");
    const now = new Date();
    const long = "long ".repeat(20_000);
    const lines = Array.from(
      { length: 800 },
      // Those that go are short: what stays is written over itself.
      (_, n) => record(`r${n}`, n % 2 === 0 ? { key: "alice" } : { key: "bob", long }, now),
    );
    const path = await put(complete, hourName(now), lines);
    const earlier = Math.floor(now.getTime() / 1000) - 60;
    await Deno.utime(path, earlier, earlier);
    await using child = startProcess(Deno.execPath(), {
      args: ["run", "-A", join(ROOT, "main.ts"), "records", "delete", "--key", "alice"]
        .concat("--data-dir", folder.path),
    });
    // As soon as anything is seen of it; each look is shorter than a turn of the event loop.
    await waitFor(() => {
      const isBegun = Deno.statSync(path).mtime!.getTime() !== earlier * 1000;
      if (isBegun) Deno.kill(child.pid, "SIGKILL");
      return isBegun;
    }, "the file to change");
    await child.status;
    const left = new Set(await linesOf(path));
    for (const line of lines) assert.ok(left.has(line) || line.includes("alice"));
  },
});

Deno.test("what is recorded of a client is taken out, of packed files and of the one being written", async () => {
  await using folder = await temporaryFolder();
  const lines = [
    record("a", { key: "alice" }),
    record("b", { key: "bob" }),
    "half a line that a crash le",
    record("c", { key: "alice", client: "10.0.0.8" }),
  ];
  const old = await put(folder.path, "20260129_10", lines);
  await pack(old);
  const plain = await put(folder.path, "20260130_10", lines);
  const current = await put(folder.path, hourName(NOW), lines);
  const only = await put(folder.path, "20260128_10", [record("d", { key: "alice" })]);
  const options = { now: NOW, isTrial: true };
  const trial = await eraseFrom(folder.path, { key: "alice" }, recordFacts, options);
  assert.deepEqual(trial, { lines: 7, files: 4 });
  assert.equal((await linesOf(current)).length, 4, "a trial changes nothing");
  const erased = await eraseFrom(folder.path, { key: "alice" }, recordFacts, {
    ...options,
    isTrial: false,
  });
  assert.deepEqual(erased, trial);
  for (const path of [old, plain, current]) {
    assert.deepEqual(await linesOf(path), [lines[1], lines[2]], path);
  }
  await assert.rejects(Deno.stat(only), Deno.errors.NotFound);
  assert.deepEqual(namesIn(folder.path), [
    "20260129_10.jsonl.gz",
    "20260130_10.jsonl",
    "20260131_12.jsonl",
  ]);
  const none = await eraseFrom(folder.path, { key: "bob", client: "10.0.0.8" }, recordFacts, {
    ...options,
    isTrial: false,
  });
  assert.equal(none.lines, 0, "all conditions must hold");
});

Deno.test("what is recorded of a client is taken out of a packed file with a plain one beside it", async () => {
  await using folder = await temporaryFolder();
  const one = record("a", { client: "10.0.0.8" });
  const path = await put(folder.path, "20260129_10", [one, record("b")]);
  await pack(path);
  await put(folder.path, "20260129_10", [record("c", { client: "10.0.0.8" })]);
  const erasure = { client: "10.0.0.8" };
  for (const isTrial of [true, false]) {
    const gone = await eraseFrom(folder.path, erasure, recordFacts, { now: NOW, isTrial });
    assert.deepEqual(gone, { lines: 2, files: 1 });
  }
  assert.deepEqual(await linesOf(path), [record("b")]);
  assert.deepEqual(namesIn(folder.path), ["20260129_10.jsonl.gz"]);
});

Deno.test("what is written in another time zone is not taken for an hour that is over", async () => {
  await using folder = await temporaryFolder();
  const mine = [record("a", { key: "alice" }), record("b", { key: "bob" })];
  // Of a gateway that is some hours behind, and of one that wrote nothing to it for long.
  const written = await put(folder.path, "20260131_04", mine);
  const over = await put(folder.path, "20260131_05", mine);
  await Deno.utime(written, NOW, NOW);
  await Deno.utime(over, new Date(2026, 0, 31, 6), new Date(2026, 0, 31, 6));
  using writer = await Deno.open(written, { append: true });
  const options = { now: NOW, isTrial: false };
  await eraseFrom(folder.path, { key: "alice" }, recordFacts, options);
  await writer.write(new TextEncoder().encode(`${record("c", { key: "bob" })}\n`));
  const ids = async (path: string) => (await linesOf(path)).map((line) => JSON.parse(line).id);
  assert.deepEqual(await ids(written), ["b", "c"], "the writer's own file");
  assert.deepEqual(await ids(over), ["b"]);
  // Nor is one deleted.
  await eraseFrom(folder.path, { key: "bob" }, recordFacts, options);
  assert.deepEqual(namesIn(folder.path).includes("20260131_04.jsonl"), true);
});

Deno.test("what came before a time is taken out of hours that are named in another time zone", async () => {
  await using folder = await temporaryFolder();
  const long = new Date(NOW.getTime() - 2 * 86_400_000);
  // Ended after a day, a day's time zones ahead.
  const path = await put(folder.path, "20260131_13", [record("old", {}, long), record("new")]);
  const options = { now: NOW, isTrial: false };
  await eraseFrom(folder.path, { before: long.getTime() + 1 }, recordFacts, options);
  assert.deepEqual((await linesOf(path)).map((line) => JSON.parse(line).id), ["new"]);
});

Deno.test("a packed file of an hour that has not come yet is gone through as well", async () => {
  await using folder = await temporaryFolder();
  const path = await put(folder.path, "20300101_10", [record("a"), record("b", { key: "bob" })]);
  await pack(path);
  const options = { now: NOW, isTrial: false };
  await eraseFrom(folder.path, { key: "bob" }, recordFacts, options);
  assert.deepEqual((await linesOf(path)).map((line) => JSON.parse(line).id), ["a"]);
});

Deno.test("what came before a time is taken out, to the very request", async () => {
  await using folder = await temporaryFolder();
  const at = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000);
  const path = await put(folder.path, hourName(NOW), [
    record("old", {}, at(20)),
    record("new", {}, at(5)),
  ]);
  const before = at(10).getTime();
  await eraseFrom(folder.path, { before }, recordFacts, { now: NOW, isTrial: false });
  assert.deepEqual((await linesOf(path)).map((line) => JSON.parse(line).id), ["new"]);
});

Deno.test("records delete goes through all folders, and deletes nothing without a condition", async () => {
  await using folder = await temporaryFolder();
  await put(join(folder.path, "requests_responses"), hourName(NOW), [record("a"), record("b")]);
  const story = { id: "a", at: NOW.getTime(), client: "10.0.0.7", key: "", attempts: [] };
  await put(join(folder.path, "requests"), hourName(NOW), [JSON.stringify(story)]);
  const ran = async (...args: string[]) => {
    await using child = startProcess(Deno.execPath(), {
      args: ["run", "-A", join(ROOT, "main.ts"), "records", "delete", ...args]
        .concat("--data-dir", folder.path),
    });
    return { ...await child.status, err: child.stderr() };
  };
  const nothing = await ran();
  assert.equal(nothing.code, 2);
  assert.match(nothing.err, /expected --client, --key or --before/);
  const done = await ran("--client", "10.0.0.7");
  assert.equal(done.code, 0, done.err);
  assert.match(done.err, /requests_responses: 2 lines of 1 file deleted/);
  assert.match(done.err, /requests: 1 line of 1 file deleted/);
  assert.match(done.err, /usage: 0 lines are told as those of others/);
  assert.match((await ran("--client", "10.0.0.7")).err, /requests_responses: 0 lines/);
});

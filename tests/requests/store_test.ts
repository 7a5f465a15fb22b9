// The store of requests: what is written, and how long it is kept. How it is looked through: browse_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { keepWithin } from "../../lib/observe/keep.ts";
import { RequestWriter } from "../../lib/requests/writer.ts";
import { temporaryFolder } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { idsOf, NO_LIMIT, NOON, report, standIn } from "./stand.ts";

Deno.test("each request is a line of its hour, readable for the owner alone, without a word of it", async () => {
  await using folder = await temporaryFolder();
  const { writer, problems } = standIn(folder.path);
  for (const id of ["a", "b"]) writer.add(report(id));
  await writer.flush();
  const path = join(folder.path, "requests", "20260131_12.jsonl");
  const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").map((one) => JSON.parse(one));
  assert.deepEqual(lines.map(({ id }) => id), ["a", "b"]);
  assert.equal(lines[0].duration_ms, 1030);
  assert.deepEqual(lines[0].attempts, [
    {
      instance: "a",
      outcome: "answered",
      status: 200,
      start_ms: null,
      first_ms: null,
      end_ms: null,
    },
  ]);
  if (Deno.build.os !== "windows") {
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(join(folder.path, "requests"))).mode! & 0o777, 0o700);
  }
  assert.deepEqual(problems, []);
});

Deno.test("nothing is written where it is switched off", async () => {
  await using folder = await temporaryFolder();
  const { writer } = standIn(folder.path, false);
  writer.add(report("a"));
  await writer.flush();
  assert.deepEqual(await idsOf(folder.path), []);
});

Deno.test("a disk that takes nothing costs the lines, is told, and costs no line after it", async () => {
  await using folder = await temporaryFolder();
  const { writer, problems } = standIn(folder.path);
  // Where the folder should be, is a file.
  await Deno.writeTextFile(join(folder.path, "requests"), "");
  for (const id of ["a", "b"]) writer.add(report(id));
  await writer.flush();
  assert.deepEqual(problems.map(({ lost }) => lost), [2]);
  await Deno.remove(join(folder.path, "requests"));
  writer.add(report("c"));
  await writer.flush();
  assert.deepEqual(await idsOf(folder.path), ["c"]);
});

Deno.test("a write that fails before it has begun costs its lines, and none after it", async () => {
  await using folder = await temporaryFolder();
  const lost: number[] = [];
  let recoveries = 0;
  let clockFails = true;
  const writer = new RequestWriter({ dataDir: folder.path, enabled: true, keep: NO_LIMIT }, {
    now: () => {
      if (clockFails) throw new Error("no time");
      return NOON;
    },
    ageNow: () => NOON,
    onError: (_, lines) => lost.push(lines),
    onNotForgotten: (error) => assert.fail(String(error)),
    onWritten: () => recoveries++,
  });
  writer.add(report("a"));
  await writer.flush();
  assert.deepEqual(lost, [1]);
  clockFails = false;
  writer.add(report("b"));
  // By itself, and for whoever waits for it.
  await waitFor(async () => (await idsOf(folder.path)).length === 1, "the next line");
  writer.add(report("c"));
  await writer.flush();
  assert.deepEqual(await idsOf(folder.path), ["c", "b"]);
  assert.equal(recoveries, 1);
});

Deno.test("a disk that was too slow for a while is told to be fast enough again", async () => {
  await using folder = await temporaryFolder();
  const stand = standIn(folder.path);
  const long = report("long", { error: "x".repeat(8 * 1024 * 1024) });
  for (let i = 0; i < 8; i++) stand.writer.add(long);
  await stand.writer.flush();
  assert.equal(stand.problems.length, 1);
  assert.match(stand.problems[0].text, /too slow/);
  assert.ok(stand.problems[0].lost > 0);
  assert.equal(stand.recoveries, 0);
  stand.writer.add(report("next"));
  await stand.writer.flush();
  assert.deepEqual([stand.problems.length, stand.recoveries], [1, 1]);
});

Deno.test("old files that cannot be taken away cost no line, and are not told as lost ones", async () => {
  await using folder = await temporaryFolder();
  const stand = standIn(folder.path);
  const keep = { days: 1, bytes: null };
  stand.writer.configure({ dataDir: folder.path, enabled: true, keep });
  stand.ageNow = () => {
    throw new Error("no time");
  };
  stand.writer.add(report("a"));
  await stand.writer.flush();
  assert.deepEqual(await idsOf(folder.path), ["a"]);
  assert.deepEqual(stand.problems, []);
  assert.deepEqual(stand.untidy, ["Error: no time"]);
});

Deno.test("trouble with requests that are not to be kept any more is over", async () => {
  await using folder = await temporaryFolder();
  const stand = standIn(folder.path);
  await Deno.writeTextFile(join(folder.path, "requests"), "");
  stand.writer.add(report("a"));
  await stand.writer.flush();
  assert.deepEqual([stand.problems.length, stand.recoveries], [1, 0]);
  const options = { dataDir: folder.path, keep: NO_LIMIT };
  stand.writer.configure({ ...options, enabled: true });
  assert.equal(stand.recoveries, 0);
  stand.writer.configure({ ...options, enabled: false });
  stand.writer.configure({ ...options, enabled: false });
  assert.equal(stand.recoveries, 1);
});

Deno.test("what fails after requests were switched off is over with it", async () => {
  await using folder = await temporaryFolder();
  const stand = standIn(folder.path);
  await Deno.writeTextFile(join(folder.path, "requests"), "");
  stand.writer.add(report("a"));
  stand.writer.configure({ dataDir: folder.path, keep: NO_LIMIT, enabled: false });
  assert.deepEqual([stand.problems.length, stand.recoveries], [0, 0]);
  await stand.writer.flush();
  assert.deepEqual([stand.problems.length, stand.recoveries], [1, 1]);
});

Deno.test("half a line that a crash left costs itself alone", async () => {
  await using folder = await temporaryFolder();
  const { writer } = standIn(folder.path);
  writer.add(report("a"));
  await writer.flush();
  const path = join(folder.path, "requests", "20260131_12.jsonl");
  await Deno.writeTextFile(path, '{"id":"torn","at', { append: true });
  writer.add(report("b"));
  await writer.flush();
  assert.deepEqual(await idsOf(folder.path), ["b", "a"]);
});

Deno.test("the oldest hours go first, by age and by size, and never the one that is written", async () => {
  await using folder = await temporaryFolder();
  const put = async (hour: string, bytes: number) =>
    await Deno.writeFile(join(folder.path, `${hour}.jsonl`), new Uint8Array(bytes));
  await put("20260129_11", 10);
  await put("20260130_12", 10);
  await put("20260131_10", 100);
  await put("20260131_11", 100);
  await put("20260131_12", 1000);
  await Deno.writeTextFile(join(folder.path, "notes.txt"), "somebody's own");
  assert.deepEqual(await keepWithin(folder.path, { days: 1, bytes: null }, NOON), [
    "20260129_11.jsonl",
  ]);
  assert.deepEqual(await keepWithin(folder.path, { days: null, bytes: 1150 }, NOON), [
    "20260130_12.jsonl",
    "20260131_10.jsonl",
  ]);
  assert.deepEqual(await keepWithin(folder.path, { days: null, bytes: 1 }, NOON), [
    "20260131_11.jsonl",
  ]);
  const left = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  assert.deepEqual(left, ["20260131_12.jsonl", "notes.txt"]);
  assert.deepEqual(await keepWithin(join(folder.path, "none"), { days: 1, bytes: 1 }, NOON), []);
});

Deno.test("a writer takes away what is too old when the hour changes", async () => {
  await using folder = await temporaryFolder();
  const stand = standIn(folder.path);
  stand.writer.configure({
    dataDir: folder.path,
    enabled: true,
    keep: { days: 1, bytes: null },
  });
  stand.writer.add(report("old"));
  await stand.writer.flush();
  stand.now = new Date(2026, 1, 2, 9);
  stand.writer.add(report("new"));
  await stand.writer.flush();
  const left = [...Deno.readDirSync(join(folder.path, "requests"))].map(({ name }) => name);
  assert.deepEqual(left, ["20260202_09.jsonl"]);
});

Deno.test("lines that keep coming are gathered, not written one write after the other", async () => {
  await using folder = await temporaryFolder();
  let writes = 0;
  const writer = new RequestWriter({ dataDir: folder.path, enabled: true, keep: NO_LIMIT }, {
    now: () => {
      writes++;
      return NOON;
    },
    ageNow: () => NOON,
    onError: (error) => assert.fail(String(error)),
    onNotForgotten: (error) => assert.fail(String(error)),
  });
  const begun = performance.now();
  let added = 0;
  while (performance.now() - begun < 1000) {
    writer.add(report(`request-${added++}`));
    // Not as fast as the loop turns: on a quick machine no disk would keep up with that.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  // Each takes what came in a fifth of a second.
  const fifths = Math.floor((performance.now() - begun) / 200);
  assert.ok(writes <= fifths, `${writes} writes for ${added} lines`);
  await writer.flush();
  assert.equal((await linesIn(folder.path)).length, added);
});

Deno.test("whoever waits for what was added finds it written, though others wait as well", async () => {
  await using folder = await temporaryFolder();
  const { writer } = standIn(folder.path);
  const waiting: Promise<void>[] = [];
  for (let index = 0; index < 50; index++) {
    writer.add(report(`request-${index}`));
    waiting.push(
      writer.flush().then(async () => {
        assert.ok((await linesIn(folder.path)).length > index, `line ${index} is not written`);
      }),
    );
    if (index % 7 === 0) await Promise.resolve();
  }
  await Promise.all(waiting);
});

async function linesIn(dataDir: string): Promise<string[]> {
  const path = join(dataDir, "requests", "20260131_12.jsonl");
  return (await Deno.readTextFile(path)).trimEnd().split("\n");
}

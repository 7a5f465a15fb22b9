// The file of alerts keeps what the system refuses, and writes it when it may: lib/alert/channels/error_file.ts.

import assert from "node:assert/strict";
import { Alerts } from "../../lib/alert/alerts.ts";
import { ErrorFileChannel } from "../../lib/alert/channels/error_file.ts";
import { temporaryFolder } from "../support/processes.ts";
import { noDisk, smallDisk } from "../support/small_disk.ts";
import { alert } from "./samples.ts";

const NINE = new Date(2026, 4, 4, 9, 59, 59);
const TEN = new Date(2026, 4, 4, 10);

/** A channel whose folder can be taken away and given back. */
async function stand() {
  const folder = await temporaryFolder();
  const path = `${folder.path}/errors`;
  const channel = new ErrorFileChannel(() => folder.path);
  return {
    channel,
    /** Where the folder should be, is a file. */
    refuse: () => Deno.writeTextFile(path, ""),
    allow: () => Deno.remove(path, { recursive: true }),
    lines: async (hour = "20260504_09") => {
      try {
        return (await Deno.readTextFile(`${path}/${hour}.log`)).trimEnd().split("\n");
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const subjectsOf = (lines: string[]) => lines.map((line) => /instance=(\S+)/.exec(line)?.[1]);

Deno.test("alerts that the file did not take stand there later, in order, each in its hour", async () => {
  await using it = await stand();
  await it.refuse();
  await assert.rejects(it.channel.send(alert({ time: NINE, subject: "a" })), /waits and is tried/);
  for (const [subject, time] of [["b", NINE], ["c", TEN]] as const) {
    await it.channel.send(alert({ time, subject }));
  }
  await it.channel.retry();
  await it.allow();
  await it.channel.retry();
  assert.deepEqual(subjectsOf(await it.lines()), ["a", "b"]);
  assert.deepEqual(subjectsOf(await it.lines("20260504_10")), ["c"]);
  await it.channel.retry();
  await it.channel.send(alert({ time: NINE, subject: "d" }));
  assert.deepEqual(subjectsOf(await it.lines()), ["a", "b", "d"]);
});

Deno.test("the next alert takes with it what waits, and the end of a trouble stands behind its begin", async () => {
  await using it = await stand();
  await it.refuse();
  await assert.rejects(it.channel.send(alert({ time: NINE, kind: "records_failed" })));
  await it.allow();
  await it.channel.send(alert({ time: NINE, kind: "records_failed", resolved: true, count: 0 }));
  const lines = await it.lines();
  assert.equal(lines.length, 2);
  assert.doesNotMatch(lines[0], /state=resolved/);
  assert.match(lines[1], /state=resolved/);
});

Deno.test("a file that refuses is reported once, and once more when it does so again", async () => {
  await using it = await stand();
  const failures: string[] = [];
  const alerts = new Alerts([it.channel], (_, error) => failures.push(String(error)), () => NINE);
  await it.refuse();
  for (const name of ["a", "b", "c"]) alerts.raise("instance_down", name, "boom");
  await alerts.close();
  await it.channel.retry();
  assert.equal(failures.length, 1, failures.join("\n"));
  await it.allow();
  await it.channel.retry();
  assert.deepEqual(subjectsOf(await it.lines()), ["a", "b", "c"]);
  await it.allow();
  await it.refuse();
  alerts.raise("instance_down", "d", "boom");
  await alerts.close();
  assert.equal(failures.length, 2);
});

Deno.test("a thousand alerts wait, and the oldest give way", async () => {
  await using it = await stand();
  await it.refuse();
  const sent = Array.from(
    { length: 1003 },
    (_, index) => it.channel.send(alert({ time: NINE, subject: `i${index}` })),
  );
  const refused = (await Promise.allSettled(sent)).filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 1);
  await it.allow();
  await it.channel.retry();
  const subjects = subjectsOf(await it.lines());
  assert.deepEqual([subjects[0], subjects.at(-1), subjects.length], ["i3", "i1002", 1000]);
});

Deno.test("what waits at the end is tried once more", async () => {
  for (const isAllowed of [true, false]) {
    await using it = await stand();
    await it.refuse();
    await assert.rejects(it.channel.send(alert({ time: NINE })));
    if (isAllowed) await it.allow();
    await it.channel.close();
    if (isAllowed) assert.equal((await it.lines()).length, 1);
  }
});

Deno.test({
  name: "a line that a full disk cut off is written whole, and once" +
    (noDisk ? ": skipped, mounting a small file system needs root on Linux" : ""),
  ignore: noDisk,
  async fn() {
    await using disk = (await smallDisk(256))!;
    const channel = new ErrorFileChannel(() => disk.path);
    const long = (subject: string) => alert({ time: NINE, subject, message: "x".repeat(40_000) });
    await channel.send(long("a"));
    const ballast = `${disk.path}/ballast`;
    await Deno.writeFile(ballast, new Uint8Array(180 * 1024));
    await assert.rejects(channel.send(long("b")), /space/);
    const path = `${disk.path}/errors/20260504_09.log`;
    assert.match(await Deno.readTextFile(path), /x"\n$/, "no half line stays");
    await Deno.remove(ballast);
    await channel.retry();
    assert.deepEqual(subjectsOf((await Deno.readTextFile(path)).trimEnd().split("\n")), ["a", "b"]);
  },
});

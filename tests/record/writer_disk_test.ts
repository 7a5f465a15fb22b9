// The writer on a disk that refuses: what waits, what is lost, and what comes of it when there is room again.

import assert from "node:assert/strict";
import { join } from "node:path";
import { noDisk, smallDisk } from "../support/small_disk.ts";
import { chat, stand } from "./writer_stand.ts";

Deno.test("while the folder cannot be written records wait, and are written when it can", async () => {
  // A file stands where the data folder should be.
  let recoveries = 0;
  await using at = await stand(
    { queueMax: 3, onWritten: () => recoveries++ },
    (dir) => Deno.writeTextFile(dir, "in the way"),
  );
  for (const text of ["one", "two", "three", "four"]) at.writer.offer(chat(text));
  await at.writer.flush();
  assert.equal(at.writer.stats().queued, 3);
  assert.deepEqual(at.drops, [1]);
  assert.deepEqual(at.reasons, ["full"]);
  assert.ok(at.errors.length > 0);
  assert.equal(recoveries, 0);
  await Deno.remove(at.dir);
  await at.writer.flush();
  assert.equal((await at.lines()).length, 3);
  assert.equal(at.writer.stats().queued, 0);
  at.writer.offer(chat("five"));
  await at.writer.flush();
  assert.equal(recoveries, 1);
});

Deno.test("closing with a disk that refuses ends, and counts what is lost", async () => {
  await using at = await stand({}, (dir) => Deno.writeTextFile(dir, "in the way"));
  at.writer.offer(chat("one"));
  at.writer.offer(chat("two"));
  await at.writer.close();
  assert.deepEqual(at.drops, [2]);
  assert.deepEqual(at.reasons, ["ended"]);
  assert.equal(at.writer.stats().dropped, 2);
  await Deno.remove(at.dir);
});

Deno.test({
  name: "a full disk costs no whole line and leaves no half one" +
    (noDisk ? ": skipped, mounting a small file system needs root on Linux" : ""),
  // Only a file system of its own can be filled; the name says what is missing.
  ignore: noDisk,
  fn: async () => {
    await using disk = (await smallDisk(256))!;
    const dataDir = join(disk.path, "data");
    await using at = await stand({ dataDir, queueMax: 100 });
    at.writer.offer(chat("first"));
    await at.writer.flush();
    const ballast = join(disk.path, "ballast");
    await Deno.writeFile(ballast, new Uint8Array(200 * 1024));
    for (let i = 0; i < 20; i++) at.writer.offer(chat(`${i} ${"x".repeat(5000)}`));
    await at.writer.flush();
    assert.ok(at.errors.length > 0, "the disk was not full");
    assert.match(String(at.errors[0]), /space/i);
    assert.equal((await at.lines()).length, 1);
    assert.equal(at.writer.stats().queued, 20);
    await Deno.remove(ballast);
    await at.writer.flush();
    assert.equal((await at.lines()).length, 21);
    assert.deepEqual(at.drops, []);
  },
});

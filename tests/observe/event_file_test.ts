// Events on the disk: lib/observe/event_file.ts by itself.

import assert from "node:assert/strict";
import type { FeedEvent } from "../../lib/observe/event_feed.ts";
import { moveEvents, readEvents, writeEvents } from "../../lib/observe/event_file.ts";
import { temporaryFolder } from "../support/processes.ts";

function event(id: number, more: Partial<FeedEvent> = {}): FeedEvent {
  const time = new Date(1_700_000_000_000 + id * 1000).toISOString();
  const rest = { kind: "instance_down", level: "bad" as const, message: "refused", count: 1 };
  return { id, since: time, time, subject: `gpu-${id}`, ...rest, ...more };
}

Deno.test("an event that went on is read once, as it was last; those of two processes are two", async () => {
  await using folder = await temporaryFolder();
  await writeEvents(folder.path, 1, [event(1), event(2)]);
  await writeEvents(folder.path, 1, [event(1, { count: 7 })]);
  await writeEvents(folder.path, 2, [event(1, { subject: "other" })]);
  const found = await readEvents(folder.path, 10);
  assert.deepEqual(found.map(({ subject, count }) => [subject, count]), [
    ["gpu-2", 1],
    ["gpu-1", 7],
    ["other", 1],
  ]);
  assert.deepEqual((await readEvents(folder.path, 1)).map(({ subject }) => subject), ["other"]);
});

Deno.test("where nothing was written there is nothing, and what a crash cut off costs itself alone", async () => {
  await using folder = await temporaryFolder();
  assert.deepEqual(await readEvents(folder.path, 10), []);
  await Deno.writeTextFile(`${folder.path}/events.jsonl`, `{"run":1,"id":1,"kind":"insta`);
  await writeEvents(folder.path, 2, [event(1)]);
  await Deno.writeTextFile(`${folder.path}/events.jsonl`, "null\n[]\n7\n", { append: true });
  const endless = JSON.stringify({ run: 3, ...event(9) }).replace('"count":1', '"count":1e400');
  await Deno.writeTextFile(`${folder.path}/events.jsonl`, `${endless}\n`, { append: true });
  assert.deepEqual((await readEvents(folder.path, 10)).map(({ subject }) => subject), ["gpu-1"]);
});

Deno.test("a file that has grown long is followed by another, and the newest events stay", async () => {
  await using folder = await temporaryFolder();
  for (let id = 1; id <= 30; id++) {
    await writeEvents(folder.path, 1, [event(id, { message: "x".repeat(100_000) })]);
    await moveEvents(folder.path);
  }
  const found = await readEvents(folder.path, 500);
  assert.equal(found.at(-1)?.subject, "gpu-30");
  assert.ok(found.length >= 10 && found.length < 30, `${found.length} of 30`);
  let bytes = 0;
  for await (const { name } of Deno.readDir(folder.path)) {
    bytes += (await Deno.stat(`${folder.path}/${name}`)).size;
  }
  assert.ok(bytes < 2.5 * 1024 * 1024, `${bytes} bytes`);
});

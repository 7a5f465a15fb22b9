// Events and minutes that the disk refuses are written when it takes them: lib/process/disk/event_log.ts and
// minute_log.ts.

import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { AgeClock } from "../../lib/observe/age_clock.ts";
import { EventFeed } from "../../lib/observe/event_feed.ts";
import { readEvents } from "../../lib/observe/event_file.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import type { Fleet } from "../../lib/pool/fleet.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { EventLog } from "../../lib/process/disk/event_log.ts";
import { MinuteLog } from "../../lib/process/disk/minute_log.ts";
import { Snapshots } from "../../lib/process/snapshots.ts";
import { temporaryFolder } from "../support/processes.ts";

function snapshotsIn(dataDir: string): Snapshots {
  const instances = [{ url: "http://10.0.0.1:8000", model_name: "m" }];
  const text = JSON.stringify({ data_dir: dataDir, instances });
  const loaded = loadConfig("test", text, () => undefined);
  assert.ok(loaded.ok);
  return new Snapshots(loaded.config, new SlotTable(SharedState.create()), () => false);
}

const NOBODY = { instances: [], models: [], waiting: 0, routingLook: () => null };

Deno.test("events that were refused are written later, each as it is last", async () => {
  await using folder = await temporaryFolder();
  const feed = new EventFeed();
  const log = new EventLog(snapshotsIn(folder.path), feed);
  // Where the file should be, is a folder.
  await Deno.mkdir(`${folder.path}/events.jsonl`);
  feed.add("instance_down", "bad", "a", "refused");
  feed.add("instance_down", "bad", "b", "refused");
  await log.close();
  await Deno.remove(`${folder.path}/events.jsonl`);
  feed.add("instance_down", "bad", "b", "refused");
  feed.add("instance_down", "bad", "c", "refused");
  await log.close();
  const kept = await readEvents(folder.path, 10);
  assert.deepEqual(kept.map(({ subject, count }) => [subject, count]), [
    ["a", 1],
    ["b", 2],
    ["c", 1],
  ]);
});

Deno.test("events are written once, though the file that has grown long cannot be moved", async () => {
  await using folder = await temporaryFolder();
  const feed = new EventFeed();
  const log = new EventLog(snapshotsIn(folder.path), feed);
  // Where the file is to be moved to, is a folder.
  await Deno.mkdir(`${folder.path}/events.before.jsonl`);
  await Deno.writeTextFile(`${folder.path}/events.jsonl`, `${"x".repeat(2 ** 20)}\n`);
  feed.add("instance_down", "bad", "a", "refused");
  await log.close();
  feed.add("instance_down", "bad", "b", "refused");
  await log.close();
  await log.close();
  const [, ...lines] = (await Deno.readTextFile(`${folder.path}/events.jsonl`)).trimEnd().split(
    "\n",
  );
  assert.deepEqual(lines.map((line) => JSON.parse(line).subject), ["a", "b"]);
});

Deno.test("a minute that was refused is written with the next one, once", async () => {
  await using folder = await temporaryFolder();
  const noon = Date.UTC(2026, 0, 31, 12, 0, 30);
  const fleet = NOBODY as unknown as Fleet;
  const feed = new EventFeed();
  const ages = new AgeClock(() => new Date(noon), () => 0);
  const log = new MinuteLog(snapshotsIn(folder.path), feed, () => fleet, () => noon, ages);
  // Where the folder should be, is a file.
  await Deno.writeTextFile(`${folder.path}/history`, "");
  feed.add("reload", "info", "config", "");
  await log.close();
  await Deno.remove(`${folder.path}/history`);
  await log.close();
  await log.close();
  const lines = (await Deno.readTextFile(`${folder.path}/history/20260131.jsonl`)).trimEnd()
    .split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 3);
  assert.deepEqual(lines.map(({ e }) => e), [["reload config"], undefined, undefined]);
});

Deno.test("a clock that is set far ahead takes no day of the history away", async () => {
  await using folder = await temporaryFolder();
  const at = { wall: Date.UTC(2026, 0, 31, 12), steady: 0 };
  const ages = new AgeClock(() => new Date(at.wall), () => at.steady);
  const fleet = NOBODY as unknown as Fleet;
  const log = () =>
    new MinuteLog(snapshotsIn(folder.path), new EventFeed(), () => fleet, () => at.wall, ages);
  await Deno.mkdir(`${folder.path}/history`);
  for (const day of ["20260110", "20260129"]) {
    await Deno.writeTextFile(`${folder.path}/history/${day}.jsonl`, "");
  }
  const days = async () => {
    await log().close();
    const names = await Array.fromAsync(Deno.readDir(`${folder.path}/history`));
    return names.map(({ name }) => name.slice(0, 8)).sort();
  };
  assert.deepEqual(await days(), ["20260129", "20260131"]);
  at.wall = Date.UTC(2030, 0, 31, 12);
  at.steady += 60_000;
  assert.deepEqual(await days(), ["20260129", "20260131", "20300131"]);
  // It goes on to say so.
  at.wall += 2 * 86_400_000;
  at.steady += 2 * 86_400_000;
  assert.deepEqual(await days(), ["20300131", "20300202"]);
});

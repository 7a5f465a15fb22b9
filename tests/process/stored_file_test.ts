// Whose stored responses are is known after a restart, also where data_dir has changed before.

import assert from "node:assert/strict";
import { join } from "node:path";
import { USAGE_FOLDER } from "../../lib/caller/usage/files.ts";
import type { Config } from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { Snapshots } from "../../lib/process/snapshots.ts";
import { StoredFile } from "../../lib/process/disk/stored_file.ts";
import { makeKey } from "../e2e/access/keyed.ts";
import { temporaryFolder } from "../support/processes.ts";

const key = makeKey("web").line;

function configOf(dataDir: string, keys = [key]): Config {
  const instances = [{ url: "http://10.0.0.1:8000", model_name: "m" }];
  const text = JSON.stringify({ data_dir: dataDir, instances, keys });
  const loaded = loadConfig("test", text, () => undefined);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.config;
}

async function begun(dataDir: string) {
  const shared = SharedState.create();
  const snapshots = new Snapshots(configOf(dataDir), new SlotTable(shared), () => false);
  const file = new StoredFile(shared, snapshots);
  await file.restore();
  const note = (response: number) =>
    shared.locked(() => shared.stored.take({ response, keeper: 2, owner: 3 }));
  const known = () =>
    shared.locked(() => shared.stored.since(shared.stored.notes - 2 ** 30))
      .map(({ response }) => response).sort();
  return { snapshots, file, note, known };
}

Deno.test("what was noted before data_dir changed is known at the next start, too", async () => {
  await using one = await temporaryFolder();
  await using other = await temporaryFolder();
  const first = await begun(one.path);
  first.note(11);
  await first.file.write();
  first.snapshots.load(configOf(other.path));
  first.note(12);
  await first.file.close();
  const second = await begun(other.path);
  assert.deepEqual(second.known(), [11, 12]);
  await second.file.close();
});

Deno.test("a time without keys, in which data_dir changes, costs nothing that was noted before", async () => {
  await using one = await temporaryFolder();
  await using other = await temporaryFolder();
  const first = await begun(one.path);
  first.note(11);
  await first.file.write();
  first.snapshots.load(configOf(one.path, []));
  first.note(12);
  await first.file.write();
  first.snapshots.load(configOf(other.path));
  first.note(13);
  await first.file.close();
  const second = await begun(other.path);
  assert.deepEqual(second.known(), [11, 12, 13]);
  await second.file.close();
});

Deno.test("half a line, as a full disk leaves it, costs nothing that is noted behind it", async () => {
  await using folder = await temporaryFolder();
  const first = await begun(folder.path);
  first.note(11);
  await first.file.write();
  const path = join(folder.path, USAGE_FOLDER, "responses.jsonl");
  await Deno.writeTextFile(path, "[12,2", { append: true });
  first.note(12);
  await first.file.close();
  const second = await begun(folder.path);
  assert.deepEqual(second.known(), [11, 12]);
  await second.file.close();
});

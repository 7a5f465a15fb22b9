// What was drained by hand stays so over a restart: lib/process/disk/drained_file.ts, with and without a process.

import assert from "node:assert/strict";
import type { Config } from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import { Roster } from "../../lib/pool/roster.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { Conditions } from "../../lib/process/fleet/conditions.ts";
import { DrainedFile } from "../../lib/process/disk/drained_file.ts";
import { Snapshots } from "../../lib/process/snapshots.ts";
import { startGateway, temporaryFolder } from "../support/processes.ts";

function configOf(dataDir: string, names: readonly string[]): Config {
  const instances = names.map((name, index) => ({
    url: `http://10.0.0.${index}:8000`,
    model_name: "m",
    name,
  }));
  const text = JSON.stringify({ data_dir: dataDir, instances });
  const loaded = loadConfig("test", text, () => undefined);
  assert.ok(loaded.ok);
  return loaded.config;
}

async function begun(dataDir: string, names: readonly string[], now = () => new Date()) {
  const config = configOf(dataDir, names);
  const snapshots = new Snapshots(config, new SlotTable(SharedState.create()), () => false);
  const conditions = new Conditions(new Roster(), now);
  const file = new DrainedFile(snapshots, conditions);
  await file.restore();
  const weights = () => snapshots.config.instances.map(({ weight }) => weight);
  return { snapshots, conditions, file, weights };
}

Deno.test("what was drained is so after the start, since when it was, until it is undrained", async () => {
  await using folder = await temporaryFolder();
  const first = await begun(folder.path, ["a", "b"], () => new Date("2026-01-31T12:00:00Z"));
  first.conditions.drained("a");
  first.snapshots.drain("a");
  await first.file.written();
  const second = await begun(folder.path, ["a", "b"]);
  assert.deepEqual(second.weights(), [0, 1]);
  assert.equal(second.conditions.of("a")?.since, "2026-01-31T12:00:00.000Z");
  second.snapshots.undrain("a");
  await second.file.written();
  assert.deepEqual((await begun(folder.path, ["a", "b"])).weights(), [1, 1]);
});

Deno.test("one that has left the file is forgotten, and no file is written where none was drained", async () => {
  await using folder = await temporaryFolder();
  const first = await begun(folder.path, ["a", "b"]);
  first.snapshots.load(configOf(folder.path, ["a"]));
  await first.file.written();
  await assert.rejects(Deno.stat(`${folder.path}/drained.json`), Deno.errors.NotFound);
  first.snapshots.drain("a");
  await first.file.written();
  const second = await begun(folder.path, ["b"]);
  assert.deepEqual(second.weights(), [1]);
  assert.equal(second.conditions.of("a"), null);
  await second.file.written();
  assert.deepEqual((await begun(folder.path, ["a", "b"])).weights(), [1, 1]);
});

Deno.test("what is drained follows the data to another folder", async () => {
  await using folder = await temporaryFolder();
  await using other = await temporaryFolder();
  const first = await begun(folder.path, ["a", "b"]);
  first.snapshots.drain("a");
  first.snapshots.load(configOf(other.path, ["a", "b"]));
  await first.file.written();
  assert.deepEqual((await begun(other.path, ["a", "b"])).weights(), [0, 1]);
});

Deno.test("what could not be written is written with the next snapshot", async () => {
  await using folder = await temporaryFolder();
  // A folder where the file is to be cannot be replaced by a file.
  const first = await begun(folder.path, ["a", "b"]);
  await Deno.mkdir(`${folder.path}/drained.json`);
  first.snapshots.drain("a");
  await first.file.written();
  await Deno.remove(`${folder.path}/drained.json`);
  first.snapshots.load(configOf(folder.path, ["a", "b"]));
  await first.file.written();
  assert.deepEqual((await begun(folder.path, ["a", "b"])).weights(), [0, 1]);
});

Deno.test("a file that says nothing drains nobody, and the next one that is drained is kept", async () => {
  for (const text of ["", "{", "null", "[1]", `[{"name":"a"}]`, `[{"name":"a","since":"soon"}]`]) {
    await using folder = await temporaryFolder();
    await Deno.writeTextFile(`${folder.path}/drained.json`, text);
    const first = await begun(folder.path, ["a", "b"]);
    assert.deepEqual(first.weights(), [1, 1], text);
    first.snapshots.drain("b");
    await first.file.written();
    assert.deepEqual((await begun(folder.path, ["a", "b"])).weights(), [1, 0], text);
  }
});

Deno.test("a gateway that was killed comes back with what was drained", async () => {
  await using folder = await temporaryFolder();
  const config = {
    data_dir: folder.path,
    instances: ["a", "b"].map((name, index) => ({
      url: `http://127.0.0.1:${2000 + index}`,
      model_name: "m",
      name,
    })),
    health_check: false,
    admin: { token: "right" },
  };
  {
    await using gateway = await startGateway({ config });
    const drained = await gateway.post("/dashboard/api/drain", { instance: "a" }, {
      headers: { authorization: "Bearer right" },
    });
    assert.equal(drained.status, 200, await drained.text());
    await gateway.kill();
  }
  await using next = await startGateway({ config });
  const { instances } = await (await fetch(`${next.url}/health`)).json();
  assert.deepEqual(instances.map(({ state }: { state: string }) => state), ["draining", "healthy"]);
});

Deno.test("one that left the file drained and comes back in service is not said to be drained", async () => {
  await using folder = await temporaryFolder();
  const { snapshots, conditions, file, weights } = await begun(folder.path, ["a", "b"]);
  snapshots.drain("a");
  conditions.drained("a");
  snapshots.load(configOf(folder.path, ["b"]));
  snapshots.load(configOf(folder.path, ["a", "b"]));
  assert.deepEqual(weights(), [1, 1]);
  assert.equal(conditions.of("a"), null);
  await file.written();
});

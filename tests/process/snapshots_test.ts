// Who must hear of a reload is a list, told in its order; what is in force is the file less what was
// drained by hand.

import assert from "node:assert/strict";
import type { Config } from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { SlotTable } from "../../lib/pool/fleet.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { type Snapshot, Snapshots } from "../../lib/process/snapshots.ts";

function configOf(weights: Record<string, number>): Config {
  const instances = Object.entries(weights).map(([name, weight], index) => ({
    url: `http://10.0.0.${index}:8000`,
    model_name: "m",
    name,
    weight,
  }));
  const loaded = loadConfig("test", JSON.stringify({ instances }), () => undefined);
  assert.ok(loaded.ok);
  return loaded.config;
}

function snapshotsOf(weights: Record<string, number>, isProxied = (_origin: string) => false) {
  return new Snapshots(configOf(weights), new SlotTable(SharedState.create()), isProxied);
}

const weightsIn = ({ config }: Snapshot) =>
  Object.fromEntries(config.instances.map(({ name, weight }) => [name, weight]));

Deno.test("those who joined hear of a reload in the order in which they joined, all of the same", () => {
  const snapshots = snapshotsOf({ a: 1 });
  const heard: [string, Snapshot][] = [];
  for (const name of ["first", "second", "third"]) {
    snapshots.join({ apply: (snapshot) => heard.push([name, snapshot]) });
  }
  assert.equal(heard.length, 0, "joining is no reload");
  snapshots.load(configOf({ a: 2, b: 1 }));
  assert.deepEqual(heard.map(([name]) => name), ["first", "second", "third"]);
  assert.ok(heard.every(([, snapshot]) => snapshot === snapshots.current));
  assert.deepEqual(weightsIn(snapshots.current), { a: 2, b: 1 });
});

Deno.test("a snapshot tells each instance's slot and whose requests go through a proxy, and can be cloned", () => {
  const snapshots = snapshotsOf({ a: 1, b: 1 }, (origin) => origin === "http://10.0.0.1:8000");
  const { config, slots, proxied } = snapshots.current;
  assert.equal(new Set(config.instances.map(({ id }) => slots[id])).size, 2);
  assert.deepEqual(proxied, ["http://10.0.0.1:8000"]);
  assert.deepEqual(structuredClone(snapshots.current), snapshots.current);
});

Deno.test("a drained instance has weight 0 until it is undrained or leaves the file", () => {
  const snapshots = snapshotsOf({ a: 1, b: 3 });
  const heard: Record<string, number>[] = [];
  snapshots.join({ apply: (snapshot) => heard.push(weightsIn(snapshot)) });
  assert.deepEqual(snapshots.drain("b"), { ok: true });
  assert.deepEqual([...snapshots.drained], ["b"]);
  assert.equal(snapshots.file.instances[1].weight, 3, "the file still says what it said");
  assert.deepEqual(snapshots.undrain("b"), { ok: true });
  snapshots.drain("a");
  snapshots.load(configOf({ a: 2, b: 3 }));
  assert.deepEqual([...snapshots.drained], ["a"], "who saves the file may know nothing of it");
  snapshots.load(configOf({ b: 3 }));
  snapshots.load(configOf({ a: 1, b: 3 }));
  assert.deepEqual([...snapshots.drained], []);
  assert.deepEqual(heard, [
    { a: 1, b: 0 },
    { a: 1, b: 3 },
    { a: 0, b: 3 },
    { a: 0, b: 3 },
    { b: 3 },
    { a: 1, b: 3 },
  ]);
});

Deno.test("what cannot be drained or undrained is refused, and nobody is told", () => {
  const snapshots = snapshotsOf({ a: 1, idle: 0 });
  let told = 0;
  snapshots.join({ apply: () => void told++ });
  const status = (result: ReturnType<Snapshots["drain"]>) => result.ok ? 200 : result.status;
  assert.equal(status(snapshots.drain("nobody")), 404);
  assert.equal(status(snapshots.drain("idle")), 409);
  assert.equal(status(snapshots.undrain("nobody")), 404);
  assert.equal(status(snapshots.undrain("a")), 409);
  assert.equal(told, 0);
});

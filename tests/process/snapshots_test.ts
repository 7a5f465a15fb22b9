// Who must hear of a reload is a list, told in its order; what is in force is the file less what was
// drained by hand.

import assert from "node:assert/strict";
import type { Config } from "../../lib/config/config.ts";
import { placeId } from "../../lib/config/normalise_discovery.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { NoRoomError, SlotTable } from "../../lib/pool/slot_table.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { RoomWatch } from "../../lib/process/fleet/room_watch.ts";
import { type Snapshot, Snapshots } from "../../lib/process/snapshots.ts";
import { waitFor } from "../support/wait.ts";

function configOf(weights: Record<string, number>): Config {
  const instances = Object.entries(weights).map(([name, weight], index) => ({
    url: `http://10.0.${index >> 8}.${index & 255}:8000`,
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

Deno.test("one that cannot take a reload over keeps nobody else from hearing of it, and it is said", () => {
  const faults: unknown[] = [];
  const slots = new SlotTable(SharedState.create());
  const snapshots = new Snapshots(configOf({ a: 1 }), slots, () => false, (f) => faults.push(f));
  const heard: string[] = [];
  const fault = new Error("no");
  snapshots.join({ apply: () => heard.push("first") });
  snapshots.join({
    apply() {
      throw fault;
    },
  });
  snapshots.join({ apply: () => heard.push("last") });
  snapshots.load(configOf({ a: 2 }));
  assert.deepEqual(heard, ["first", "last"]);
  assert.deepEqual(faults, [fault]);
});

Deno.test("one that changes what is in force while it hears of it leaves none behind", () => {
  const snapshots = snapshotsOf({ a: 1, b: 3 });
  const heard: Record<string, number>[] = [];
  snapshots.join({
    apply() {
      if (!snapshots.drained.has("b")) snapshots.drain("b");
    },
  });
  snapshots.join({ apply: (snapshot) => heard.push(weightsIn(snapshot)) });
  snapshots.load(configOf({ a: 2, b: 3 }));
  assert.deepEqual(heard.at(-1), { a: 2, b: 0 });
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

const many = (count: number) =>
  configOf(Object.fromEntries(Array.from({ length: count }, (_, n) => [`i${n}`, 1])));

const rankedIn = ({ config, slots }: Snapshot) =>
  config.instances.filter(({ id }) => slots[`rank 0 of ${id}`] !== undefined).length;

Deno.test("ranks have what room instances and models leave, those that have it already first", () => {
  const snapshots = new Snapshots(many(120), new SlotTable(SharedState.create()), () => false);
  // 120 instances, a model, and 112 times 8 ranks.
  for (const { id } of snapshots.config.instances.toReversed()) snapshots.ranked(id, 8);
  assert.equal(rankedIn(snapshots.current), 112);
  const without = snapshots.config.instances.slice(0, 8);
  assert.ok(without.every(({ id }) => snapshots.current.slots[`rank 0 of ${id}`] === undefined));
  snapshots.load(many(200));
  assert.equal(snapshots.config.instances.length, 200);
  assert.equal(rankedIn(snapshots.current), 102);
  const slots = Object.values(snapshots.current.slots);
  assert.equal(new Set(slots).size, slots.length);
  snapshots.load(many(1000));
  assert.equal(rankedIn(snapshots.current), 2);
  snapshots.load(many(120));
  assert.equal(rankedIn(snapshots.current), 112, "what was known of them still is");
});

Deno.test("a file that there is no room for beside what still has requests changes nothing", () => {
  const shared = SharedState.create();
  const snapshots = new Snapshots(many(3), new SlotTable(shared), () => false);
  let told = 0;
  snapshots.join({ apply: () => told++ });
  snapshots.drain("i1");
  const { current, file } = snapshots;
  const busy = shared.fleet.at(current.slots[file.instances[2].id]).inFlight;
  busy.add(1);
  const others = many(1023);
  const elsewhere = others.instances.map((one) => ({ ...one, id: `other ${one.id}` }));
  const next = Object.freeze({ ...others, instances: elsewhere });
  assert.throws(() => snapshots.load(next), NoRoomError);
  assert.equal(told, 1);
  assert.ok(snapshots.current === current && snapshots.file === file);
  assert.deepEqual([...snapshots.drained], ["i1"]);
  assert.deepEqual(snapshots.undrain("i1"), { ok: true });
  busy.add(-1);
  snapshots.load(next);
  assert.equal(snapshots.config.instances.length, 1023);
});

Deno.test("models that are listed are left out as far as there is no room, and it is said once", () => {
  using crowd = crowded();
  const { config, snapshots, said } = crowd;
  const [listing, other] = config.instances;
  const before = Object.keys(snapshots.current.slots).length;
  assert.equal(before, 1000 + 1);
  snapshots.discovered(listing.id, listed("a", 20));
  assert.deepEqual(snapshots.leftOut, []);
  snapshots.discovered(other.id, listed("b", 20));
  assert.deepEqual(modelsOf(snapshots, listing.id), ["m", ...listed("a", 20)], "these were first");
  assert.deepEqual(modelsOf(snapshots, other.id), ["m", ...listed("b", 3)]);
  assert.deepEqual(snapshots.leftOut, listed("b", 20).slice(3));
  snapshots.discovered(other.id, listed("b", 19));
  assert.equal(said.length, 1, said.join("; "));
  assert.match(said[0], /room for 1024 .*left out .*: b03, b04, b05, b06, b07, … \(17\)/);
  snapshots.discovered(listing.id, []);
  assert.deepEqual(snapshots.leftOut, []);
  assert.deepEqual(modelsOf(snapshots, other.id), ["m", ...listed("b", 19)]);
  snapshots.discovered(listing.id, listed("a", 20));
  assert.equal(said.length, 2, "there was room in between");
});

Deno.test("instances that are found are left out as far as there is no room", () => {
  using crowd = crowded();
  const { config, snapshots, said } = crowd;
  const [discovery] = config.discovery;
  const targets = Array.from({ length: 30 }, (_, n) => ({ host: `10.9.0.${n}`, port: 8000 }));
  snapshots.found(placeId(discovery), targets);
  assert.equal(snapshots.config.instances.length, 1000 + 23);
  assert.equal(snapshots.leftOut.length, 7);
  assert.equal(said.length, 1);
  snapshots.load(Object.freeze({ ...config, instances: config.instances.slice(0, 500) }));
  assert.equal(snapshots.config.instances.length, 500 + 30);
  snapshots.load(config);
  assert.equal(snapshots.config.instances.length, 1000 + 23, "the file comes first");
});

Deno.test("who drains or undrains one that was left out hears so", () => {
  using crowd = crowded();
  const { config, snapshots } = crowd;
  const targets = Array.from({ length: 30 }, (_, n) => ({ host: `10.9.0.${n}`, port: 8000 }));
  snapshots.found(placeId(config.discovery[0]), targets);
  const [out] = snapshots.leftOut;
  const inside = snapshots.config.instances.at(-1)!.name;
  const why = "there is no room for it in the gateway now: ";
  assert.deepEqual(snapshots.drain(inside), { ok: true });
  assert.deepEqual(snapshots.drain(out), {
    ok: true,
    note: `${why}it gets no requests as it is, and none when there is`,
  });
  assert.deepEqual(snapshots.undrain(inside), { ok: true });
  assert.deepEqual(snapshots.undrain(out), {
    ok: true,
    note: `${why}it gets requests when there is`,
  });
});

Deno.test("what was left out is taken in when those that are gone have ended their requests", async () => {
  using crowd = crowded();
  const { config, snapshots, shared } = crowd;
  const [discovery] = config.discovery;
  const { slots } = snapshots.current;
  const gone = config.instances.slice(-3);
  const busy = gone.map(({ id }) => shared.fleet.at(slots[id]).inFlight);
  for (const one of busy) one.add(1);
  let told = 0;
  snapshots.join({ apply: () => told++ });
  const targets = Array.from({ length: 30 }, (_, n) => ({ host: `10.9.0.${n}`, port: 8000 }));
  snapshots.found(placeId(discovery), targets);
  snapshots.load(Object.freeze({ ...config, instances: config.instances.slice(0, -3) }));
  assert.equal(snapshots.leftOut.length, 7);
  for (const one of busy.slice(0, 2)) one.add(-1);
  await waitFor(() => snapshots.leftOut.length === 5, "room for two");
  assert.equal(snapshots.config.instances.length, 997 + 25);
  busy[2].add(-1);
  await waitFor(() => snapshots.leftOut.length === 4, "room for one more");
  assert.equal(told, 4, "told of what has changed, not of each look");
});

Deno.test("ranks that count as one for want of room are places of their own when there is some", async () => {
  using crowd = crowded();
  const { config, snapshots, shared } = crowd;
  const { slots } = snapshots.current;
  const [first] = config.instances;
  const gone = config.instances.slice(-10);
  const busy = gone.map(({ id }) => shared.fleet.at(slots[id]).inFlight);
  for (const one of busy) one.add(1);
  snapshots.ranked(first.id, 32);
  snapshots.load(Object.freeze({ ...config, instances: config.instances.slice(0, -10) }));
  assert.equal(rankedIn(snapshots.current), 0);
  for (const one of busy) one.add(-1);
  await waitFor(() => rankedIn(snapshots.current) === 1, "its ranks to have places");
});

const listed = (letter: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${letter}${String(n).padStart(2, "0")}`);

const modelsOf = (snapshots: Snapshots, id: string) =>
  snapshots.config.instances.find((one) => one.id === id)?.models;

/** 1000 instances of one model, two of which list more, and room for 23. */
function crowded() {
  const instances = Array.from({ length: 1000 }, (_, n) => ({
    url: `http://10.0.${n >> 8}.${n & 255}:8000`,
    model_name: n < 2 ? ["m", "*"] : "m",
  }));
  const discovery = [{ type: "dns", name: "found.test", port: 8000, model_name: "m" }];
  const loaded = loadConfig("test", JSON.stringify({ instances, discovery }), () => undefined);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const { config } = loaded;
  const shared = SharedState.create();
  const snapshots = new Snapshots(config, new SlotTable(shared), () => false);
  const said: string[] = [];
  const note = (_kind: string, _subject: string, message: string) => said.push(message);
  const watch = new RoomWatch(snapshots, { note }, 1);
  return { config, snapshots, shared, said, [Symbol.dispose]: () => watch.close() };
}

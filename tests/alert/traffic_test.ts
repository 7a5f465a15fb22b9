// What finished requests and the disk give reason to tell, and when it is over.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Bell } from "../../lib/alert/bell.ts";
import { DiskWatch } from "../../lib/alert/disk_watch.ts";
import { type FinishedRequest, Traffic, type TrafficConfig } from "../../lib/alert/traffic.ts";
import { temporaryFolder } from "../support/processes.ts";

/** Remembers who rang. */
class Rung implements Bell {
  readonly rings: string[] = [];
  readonly #active = new Set<string>();

  raise(kind: string, subject: string, message: string): void {
    this.rings.push(`${kind} ${subject}: ${message}`);
    this.#active.add(`${kind} ${subject}`);
  }

  end(kind: string, subject: string, message: string): void {
    if (this.#active.delete(`${kind} ${subject}`)) {
      this.rings.push(`over ${kind} ${subject}: ${message}`);
    }
  }

  isActive(kind: string, subject: string): boolean {
    return this.#active.has(`${kind} ${subject}`);
  }
}

const CONFIG: TrafficConfig = {
  alertRules: {
    windowS: 60,
    errorRate: 0.1,
    refusedRate: 0.5,
    firstTokenS: 2,
    policyHits: null,
    minRequests: 20,
    diskFreeBytes: 0,
    summaryWindowS: 30,
  },
  instances: [{ name: "gpu-1", fallback: false }, { name: "paid", fallback: true }],
};

function stand(config = CONFIG) {
  const bell = new Rung();
  const clock = { ms: 5_000 };
  const traffic = new Traffic(config, bell, () => clock.ms);
  const request = (count: number, more: Partial<FinishedRequest> = {}) => {
    for (let i = 0; i < count; i++) {
      traffic.request({
        model: "demo",
        instance: "gpu-1",
        outcome: "complete",
        status: 200,
        streamed: true,
        firstByteMs: 100,
        ...more,
      });
    }
  };
  /** Seconds pass, with a look at each. */
  const pass = (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      clock.ms += 1000;
      traffic.tick();
    }
  };
  return { bell, traffic, request, pass };
}

Deno.test("an error rate above the limit is told once, and told to be over at half of it", () => {
  const { bell, request, pass } = stand();
  request(90);
  request(8, { outcome: "failed", instance: "-", firstByteMs: null });
  pass(1);
  assert.deepEqual(bell.rings, [], "8 % is below");
  request(4, { outcome: "truncated" });
  pass(10);
  assert.deepEqual(bell.rings, [
    "error_rate demo: 12 of 102 requests failed in the last 60 s (12 %)",
  ]);
  request(60);
  pass(1);
  assert.equal(bell.rings.length, 1, "7 % is below the limit, not below half of it");
  request(200);
  pass(1);
  assert.deepEqual(bell.rings.slice(1), [
    "over error_rate demo: 12 of 362 requests failed in the last 60 s (3 %)",
  ]);
});

Deno.test("failures count for a window, and requests that end with them too", () => {
  const { bell, request, pass } = stand();
  request(30, { outcome: "failed" });
  pass(54);
  assert.equal(bell.rings.length, 1);
  pass(12);
  assert.deepEqual(bell.rings.slice(1), ["over error_rate demo: no requests in the last 60 s"]);
});

Deno.test("few requests are not judged, and clients' own mistakes and departures are no errors", () => {
  const { bell, request, pass } = stand();
  request(19, { outcome: "failed" });
  request(100, { outcome: "rejected" });
  request(100, { outcome: "aborted" });
  pass(120);
  assert.ok(bell.rings.every((ring) => !ring.includes("error_rate")), bell.rings.join());
});

Deno.test("models are judged apart", () => {
  const { bell, request, pass } = stand();
  request(1000);
  request(20, { model: "other", outcome: "failed" });
  pass(1);
  assert.equal(bell.rings.length, 1);
  assert.match(bell.rings[0], /^error_rate other: 20 of 20 /);
});

Deno.test("streams that begin late are told when they are more than one in twenty", () => {
  const { bell, request, pass } = stand();
  request(95);
  request(5, { firstByteMs: 2500 });
  request(50, { streamed: false, firstByteMs: 9000 });
  pass(1);
  assert.deepEqual(bell.rings, []);
  request(5, { firstByteMs: 2500 });
  pass(1);
  assert.deepEqual(bell.rings, [
    "first_token_slow demo: 10 of 105 streams in the last 60 s waited longer than 2 s for " +
    "their first token (10 %)",
  ]);
  pass(66);
  assert.equal(bell.rings.at(-1), "over first_token_slow demo: no streams in the last 60 s");
});

Deno.test("a rule that is null judges nothing, and changed rules begin anew", () => {
  const off = { ...CONFIG, alertRules: { ...CONFIG.alertRules, errorRate: null } };
  const { bell, traffic, request, pass } = stand();
  request(30, { outcome: "failed" });
  pass(1);
  traffic.configure(off);
  assert.equal(bell.rings.at(-1), "over error_rate demo: is judged by other rules now");
  request(30, { outcome: "failed" });
  pass(1);
  assert.equal(bell.rings.length, 2);
});

Deno.test("a model is answered again with the first request that is", () => {
  const { bell, request } = stand();
  bell.raise("no_instance", "demo", "nobody");
  request(1, { outcome: "failed" });
  assert.equal(bell.rings.length, 1);
  request(2);
  assert.deepEqual(bell.rings.slice(1), [
    "over no_instance demo: a request was answered by gpu-1",
  ]);
});

Deno.test("a fallback is in use until it has answered nothing for a window", () => {
  const { bell, request, pass } = stand();
  bell.raise("fallback_in_use", "paid", "in use");
  request(1, { instance: "paid" });
  pass(50);
  request(1, { instance: "paid" });
  pass(59);
  assert.equal(bell.rings.length, 1);
  pass(1);
  assert.deepEqual(bell.rings.slice(1), [
    "over fallback_in_use paid: has answered no request for 60 s",
  ]);
});

Deno.test("a disk that fills up is told, and that there is space again", async () => {
  const bell = new Rung();
  let free: number | null = 2e9;
  let looks = 0;
  let now = 0;
  const disk = new DiskWatch(bell, () => now, (folder) => {
    assert.equal(folder, "/data");
    looks++;
    return Promise.resolve(free);
  });
  const after = async (seconds: number, leastBytes = 1e9) => {
    now += seconds * 1000;
    await disk.tick({ dataDir: "/data", leastBytes });
  };
  await after(0);
  free = 0.5e9;
  await after(1);
  assert.equal(looks, 1, "it is not asked all the time");
  await after(30);
  await after(30);
  assert.deepEqual(bell.rings, [
    "disk_low data_dir: 0.50 GB free below /data; expected at least 1.00 GB",
  ]);
  free = 1.05e9;
  await after(30);
  free = null;
  await after(30);
  assert.equal(bell.rings.length, 1, "just above the limit, and unknown, is not over");
  free = 1.2e9;
  await after(30);
  assert.equal(bell.rings.at(-1), "over disk_low data_dir: /data has 1.20 GB free");
  free = 0;
  await after(30, 0);
  assert.equal(bell.rings.length, 2, "0 is no limit");
});

Deno.test("a data folder that is not the one of before is told once, however it came about", async () => {
  await using place = await temporaryFolder();
  const bell = new Rung();
  let now = 0;
  const disk = new DiskWatch(bell, () => now);
  const look = async (name: string) => {
    now += 30_000;
    await disk.tick({ dataDir: join(place.path, name), leastBytes: 0 });
    return bell.rings.splice(0);
  };
  const move = (from: string, to: string) =>
    Deno.rename(join(place.path, from), join(place.path, to));
  assert.deepEqual(await look("data"), [], "not made yet");
  for (const name of ["data", "other"]) await Deno.mkdir(join(place.path, name));
  assert.deepEqual(await look("data"), []);
  await Deno.writeTextFile(join(place.path, "data", "a"), "written");
  assert.deepEqual(await look("data"), []);
  await move("data", "away");
  assert.deepEqual(await look("data"), [], "nothing was written since");
  await Deno.mkdir(join(place.path, "data"));
  const told = /^data_dir_replaced data_dir: \S+data is another folder than before/;
  assert.match((await look("data")).join(), told);
  assert.deepEqual(await look("data"), []);
  await move("data", "between");
  await move("away", "data");
  assert.match((await look("data")).join(), told);
  assert.deepEqual(await look("other"), [], "as the configuration says");
});

Deno.test("the space of a real folder is known, that of a missing one is no trouble", async () => {
  const bell = new Rung();
  const folder = await Deno.makeTempDir();
  try {
    const there = new DiskWatch(bell, () => 0);
    await there.tick({ dataDir: folder, leastBytes: Number.MAX_SAFE_INTEGER });
    assert.match(bell.rings[0], /^disk_low data_dir: \d+\.\d\d GB free/);
    const missing = new DiskWatch(bell, () => 0);
    await missing.tick({ dataDir: `${folder}/none`, leastBytes: Number.MAX_SAFE_INTEGER });
    assert.equal(bell.rings.length, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a model whose requests are mostly refused is told, and an unknown one by that name", () => {
  const { bell, request, pass } = stand();
  request(10);
  request(15, { outcome: "rejected", status: 400, instance: "", streamed: false });
  request(30, { outcome: "rejected", status: 404, model: "", instance: "", streamed: false });
  request(100, { outcome: "rejected", status: 429, model: "busy", instance: "", streamed: false });
  pass(1);
  assert.deepEqual(bell.rings, [
    "refused_rate demo: 15 of 25 requests were refused in the last 60 s (60 %)",
    "refused_rate unknown model: 30 of 30 requests were refused in the last 60 s (100 %)",
  ]);
  request(60);
  pass(1);
  assert.equal(
    bell.rings.at(-1),
    "over refused_rate demo: 15 of 85 requests were refused in the last 60 s (18 %)",
  );
});

// Minutes of requests: what a row says, how it is kept, and the curves that are read back.

import assert from "node:assert/strict";
import { join } from "node:path";
import {
  forgetDays,
  HISTORY_FOLDER,
  readCurves,
  writeMinute,
} from "../../lib/observe/minute_files.ts";
import { FIELDS, type Gauges, Minutes } from "../../lib/observe/minutes.ts";
import { temporaryFolder } from "../support/processes.ts";
import { REPORT } from "./sample_report.ts";

const QUIET: Gauges = { inFlight: 0, waiting: 0, kvUsage: null };
const MINUTE_MS = 60_000;

function fieldsOf(row: readonly (number | null)[]): Record<string, number | null> {
  return Object.fromEntries(FIELDS.map((field, index) => [field, row[index]]));
}

Deno.test("a percentile is that of the very values: never above the largest, within 5 % of the true one", () => {
  const minutes = new Minutes();
  const values: number[] = [];
  let seed = 7;
  for (let i = 0; i < 20_000; i++) {
    seed = (seed * 48_271) % 2_147_483_647;
    // A long tail, as first tokens have one.
    const ms = 50 * Math.exp(4 * (seed / 2_147_483_647) ** 3);
    values.push(ms);
    minutes.request({ ...REPORT, firstByteMs: ms, durationMs: ms + 1000 });
  }
  const row = fieldsOf(minutes.end(new Map([["", QUIET]]))[""]);
  values.sort((a, b) => a - b);
  for (const [q, field] of [[0.5, "ttft_p50_ms"], [0.99, "ttft_p99_ms"]] as const) {
    const real = values[Math.ceil(q * values.length) - 1];
    assert.ok(Math.abs(row[field]! - real) < real * 0.05, `${field}: ${row[field]}, ${real}`);
  }
  assert.ok(row.ttft_p99_ms! <= values.at(-1)!);
  assert.equal(row.requests, 20_000);
});

Deno.test("a minute has a row for all, and for each model and instance that had something to do", () => {
  const minutes = new Minutes();
  minutes.request(REPORT);
  minutes.request({ ...REPORT, model: "made up by a client", instance: "", outcome: "rejected" });
  minutes.request({ ...REPORT, outcome: "aborted" });
  const gauges = new Map<string, Gauges>([
    ["", { inFlight: 3, waiting: 2, kvUsage: null }],
    ["m:m", QUIET],
    ["m:idle", QUIET],
    ["i:a", { inFlight: 3, waiting: null, kvUsage: 0.25 }],
  ]);
  const rows = minutes.end(gauges);
  assert.deepEqual(Object.keys(rows), ["", "m:m", "i:a"]);
  const all = fieldsOf(rows[""]);
  assert.deepEqual([all.requests, all.failed, all.in_flight, all.waiting], [3, 1, 3, 2]);
  assert.equal(fieldsOf(rows["i:a"]).kv_usage, 0.25);
  assert.equal(fieldsOf(rows["i:a"]).requests, 2);
  assert.deepEqual(Object.keys(minutes.end(gauges)), ["", "i:a"], "the next minute begins anew");
});

Deno.test("curves of an hour, a day and a week come back, with marks, over days and restarts", async () => {
  await using folder = await temporaryFolder();
  // A few minutes after midnight, UTC.
  const now = Date.UTC(2026, 0, 31, 0, 5, 30);
  const minute = Math.floor(now / MINUTE_MS);
  const row = (requests: number, p99: number) => [requests, 1, 60, 4, 0, 10, p99, 5, null];
  await writeMinute(folder.path, { t: minute - 10, s: { "": row(60, 100) }, e: ["reload config"] });
  await writeMinute(folder.path, { t: minute - 1, s: { "": row(60, 900), "i:a": row(6, 50) } });
  await writeMinute(folder.path, { t: minute - 1, s: { "": row(60, 300) } });
  await Deno.writeTextFile(join(folder.path, HISTORY_FOLDER, "20260131.jsonl"), '{"t":1,', {
    append: true,
  });
  const hour = await readCurves(folder.path, "", "1h", now);
  assert.equal(hour.times.length, 60);
  const at = (ago: number) => 59 - ago;
  assert.equal(hour.curves.requests[at(1)], 2, "a restart within the minute");
  assert.equal(hour.curves.ttft_p99_ms[at(1)], 900);
  assert.equal(hour.curves.requests[at(10)], 1, "of the day before");
  assert.equal(hour.curves.requests[at(5)], null);
  assert.equal(hour.times[at(10)], (minute - 10) * 60);
  assert.deepEqual(hour.marks, [{ time: (minute - 10) * 60, text: "reload config" }]);
  const one = await readCurves(folder.path, "i:a", "1h", now);
  assert.equal(one.curves.requests[at(1)], 0.1);
  for (const [range, points] of [["24h", 144], ["7d", 168]] as const) {
    const found = await readCurves(folder.path, "", range, now);
    assert.equal(found.times.length, points);
    assert.equal(found.curves.requests.filter((value) => value !== null).length, 2, range);
    assert.equal(Math.max(...found.curves.ttft_p99_ms.map((value) => value ?? 0)), 900);
  }
});

Deno.test("days that nobody can ask for any more are deleted, and a week of a fleet is a few MB", async () => {
  await using folder = await temporaryFolder();
  const start = Math.floor(Date.UTC(2026, 0, 1) / MINUTE_MS);
  for (let day = 0; day < 12; day++) {
    await writeMinute(folder.path, { t: start + day * 1440, s: {} });
    await forgetDays(folder.path, start + day * 1440);
  }
  const names = [...Deno.readDirSync(join(folder.path, HISTORY_FOLDER))].map(({ name }) => name);
  assert.equal(names.length, 9);
  assert.ok(!names.includes("20260103.jsonl") && names.includes("20260104.jsonl"));
  const row = [123, 1, 45_678, 12, 0, 123.4, 1234.5, 23.4, 0.512];
  const subjects = ["", "m:demo", "m:other", ...[0, 1, 2, 3, 4].map((n) => `i:gpu-${n}`)];
  const line = JSON.stringify({ t: start, s: Object.fromEntries(subjects.map((s) => [s, row])) });
  assert.ok(line.length * 1440 * 7 < 6e6, `${line.length * 1440 * 7} bytes`);
});

// How long records stay, and in which form: deleted by age and size, and packed after a day.

import assert from "node:assert/strict";
import { join } from "node:path";
import { hourFile } from "../../lib/observe/hour_files.ts";
import { hourName } from "../../lib/observe/hour_name.ts";
import { appendPrivately } from "../../lib/observe/line_file.ts";
import {
  DamagedFile,
  lengthNow,
  pack,
  packedBefore,
  readLines,
} from "../../lib/observe/packed_file.ts";
import { browse, readRecord } from "../../lib/record/browse.ts";
import { appendLines, mendNewest } from "../../lib/record/record_file.ts";
import { recordLines } from "../../lib/record/export/lines.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { Housekeeping } from "../../lib/process/disk/housekeeping.ts";
import { Snapshots } from "../../lib/process/snapshots.ts";
import { ROOT, startProcess, temporaryFolder } from "../support/processes.ts";
import { linesOf, namesIn, NOW, put, record } from "./kept_hours.ts";

function housekeepingOf(
  dataDir: string,
  options: Record<string, unknown>,
  now = NOW,
): Housekeeping {
  const text = JSON.stringify({
    instances: [{ url: "http://127.0.0.1:8001", model_name: "m" }],
    data_dir: dataDir,
    ...options,
  });
  const loaded = loadConfig("test", text, () => undefined);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const snapshots = new Snapshots(
    loaded.config,
    new SlotTable(SharedState.create()),
    () => false,
  );
  return new Housekeeping(snapshots, () => now, () => NOW);
}

Deno.test("records are deleted by age, what is incomplete by its own, and the rest stays", async () => {
  await using folder = await temporaryFolder();
  const complete = join(folder.path, "requests_responses");
  const incomplete = join(folder.path, "incomplete");
  for (const place of [complete, incomplete]) {
    for (const hour of ["20260101_10", "20260130_10", "20260131_12"]) {
      await put(place, hour, [record(hour)]);
    }
  }
  const keeping = housekeepingOf(folder.path, {
    record: { keep_days: 7, incomplete_keep_days: 1 },
  });
  await keeping.look();
  await keeping.close();
  assert.deepEqual(namesIn(complete), ["20260130_10.jsonl", "20260131_12.jsonl"]);
  assert.deepEqual(namesIn(incomplete), ["20260131_12.jsonl"]);
});

Deno.test("hours that are over for a day are packed where that is wanted, and read as before", async () => {
  await using folder = await temporaryFolder();
  const complete = join(folder.path, "requests_responses");
  const ids = Array.from({ length: 120 }, (_, index) => `r${index}`);
  await put(complete, "20260129_10", ids.slice(0, 80).map((id) => record(id)));
  await put(complete, "20260131_11", ids.slice(80).map((id) => record(id)));
  const keeping = housekeepingOf(folder.path, { record: { compress: "gzip" } });
  await keeping.look();
  await keeping.close();
  assert.deepEqual(namesIn(complete), ["20260129_10.jsonl.gz", "20260131_11.jsonl"]);
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const all = { text: "", model: "", hour: "", incomplete: false, cursor };
    const page = await browse(folder.path, all);
    seen.push(...page.records.map(({ id }) => id));
    cursor = page.cursor;
    const last = page.records.at(-1)!;
    assert.equal((await readRecord(folder.path, last.place))?.id, last.id);
  }
  assert.deepEqual(seen, ids.toReversed());
  const exported: unknown[] = [];
  for await (const one of recordLines(hourFile(complete, "20260129_10"))) exported.push(one?.id);
  assert.deepEqual(exported, ids.slice(0, 80));
  assert.deepEqual(namesIn(complete).length, 2, "nothing unpacked stays");
});

Deno.test("a packing that was cut off costs nothing", async () => {
  await using folder = await temporaryFolder();
  const path = await put(folder.path, "20260129_10", [record("a")]);
  await Deno.writeTextFile(`${path}.gz.new`, "half");
  await Deno.writeTextFile(`${path}.gz`, "not whole, and the plain file was not removed yet");
  assert.equal((await linesOf(path)).length, 1, "the plain file is the one that counts");
  await pack(path);
  assert.deepEqual(namesIn(folder.path), ["20260129_10.jsonl.gz"]);
  assert.equal((await linesOf(path)).length, 1);
});

Deno.test("what was packed by a wrong clock stays when its hour is written to again", async () => {
  await using folder = await temporaryFolder();
  const complete = join(folder.path, "requests_responses");
  const path = await put(complete, "20260129_10", [record("a"), record("b")]);
  const look = async (now?: Date) => {
    const keeping = housekeepingOf(folder.path, { record: { compress: "gzip" } }, now);
    await keeping.look();
    await keeping.close();
  };
  await look();
  await put(complete, "20260129_10", [record("c")]);
  await look();
  assert.deepEqual(await linesOf(path), [record("a"), record("b"), record("c")]);
  assert.deepEqual(namesIn(complete), ["20260129_10.jsonl.gz"]);
  // A packing that ended before the plain file was removed: each line once.
  await put(complete, "20260129_10", [record("a"), record("b"), record("c"), record("d")]);
  await look();
  assert.equal((await linesOf(path)).length, 4);
  // An hour is not over since a clock is far ahead.
  await put(complete, "20260131_12", [record("e")]);
  await look(new Date(2030, 0, 1));
  assert.deepEqual(namesIn(complete), ["20260129_10.jsonl.gz", "20260131_12.jsonl"]);
});

Deno.test("an hour that is packed and written to again is read whole, each line once", async () => {
  await using folder = await temporaryFolder();
  const complete = join(folder.path, "requests_responses");
  const path = await put(complete, "20260129_10", [record("a"), record("b")]);
  await pack(path);
  await put(complete, "20260129_10", [record("c")]);
  const ids = ["a", "b", "c"];
  const exported = async () => {
    const end = await lengthNow(path);
    const found: unknown[] = [];
    for await (const one of recordLines(path, end)) found.push(one?.id);
    return found;
  };
  assert.deepEqual(await exported(), ids);
  const query = { text: "", model: "", hour: "", incomplete: false, cursor: "" };
  const { records } = await browse(folder.path, query);
  assert.deepEqual(records.map(({ id }) => id), ids.toReversed());
  for (const { place, id } of records) {
    assert.equal((await readRecord(folder.path, place))?.id, id);
  }
  const seen: string[] = [];
  for (const flag of ["export", "logs"]) {
    await using child = startProcess(Deno.execPath(), {
      args: ["run", "-A", join(ROOT, "main.ts"), flag, "--data-dir", folder.path]
        .concat(flag === "logs" ? ["--since", "2026-01-01", "--json"] : []),
    });
    assert.equal((await child.status).code, 0, child.stderr());
    seen.push(child.stdout());
  }
  for (const text of seen) {
    for (const id of ids) assert.equal(text.split(`question ${id}`).length, 2, `${id} in ${text}`);
  }
  // While an hour is being packed there are both as well.
  await put(complete, "20260129_10", [record("a"), record("b"), record("c")]);
  assert.deepEqual(await exported(), ids);
  assert.deepEqual(namesIn(complete).length, 2, "nothing unpacked stays");
});

Deno.test("half a line that was packed costs no line that is written behind it", async () => {
  await using folder = await temporaryFolder();
  const ids = ["a", "c"];
  const bytesOf = (text: string) => new TextEncoder().encode(text);
  for (
    const [name, append] of [
      [
        "requests_responses",
        (path: string, text: string) => appendLines(folder.path, path, [bytesOf(text)], undefined),
      ],
      ["requests", (path: string, text: string) => appendPrivately(path, bytesOf(text))],
    ] as const
  ) {
    const hours = join(folder.path, name);
    const path = await put(hours, "20260129_10", [record("a")]);
    await Deno.writeTextFile(path, record("b").slice(0, 50), { append: true });
    await pack(path);
    await append(path, `${record("c")}\n`);
    const idsIn = async () => {
      const end = await lengthNow(path);
      const found: unknown[] = [];
      for await (const one of recordLines(path, end)) if (one !== null) found.push(one.id);
      return found;
    };
    assert.deepEqual(await idsIn(), ids);
    if (name === "requests_responses") {
      const query = { text: "", model: "", hour: "", incomplete: false, cursor: "" };
      const { records } = await browse(folder.path, query);
      assert.deepEqual(records.map(({ id }) => id), ids.toReversed());
      const { length } = await new Response(await readLines(path)).bytes();
      assert.equal(await packedBefore(path), length - bytesOf(`${record("c")}\n`).length);
    }
    const keeping = housekeepingOf(folder.path, { record: { compress: "gzip" } });
    await keeping.look();
    await keeping.close();
    assert.deepEqual(namesIn(hours), ["20260129_10.jsonl.gz"]);
    assert.deepEqual(await idsIn(), ids);
  }
});

Deno.test("what a process that was killed has left of writing files anew is gone after a day", async () => {
  await using folder = await temporaryFolder();
  const complete = join(folder.path, "requests_responses");
  await put(complete, "20260129_10", [record("a")]);
  const copies = [".joining-1a", ".erasing-2b", ".erasing-2b.gz.new", ".unpacked-3c"]
    .concat("20260128_10.jsonl.gz.new").map((name) => join(complete, name));
  const above = ["routing_index.7.new", "drained.json.7.new"].map((one) => join(folder.path, one));
  const usage = join(folder.path, "usage");
  await Deno.mkdir(usage);
  await Deno.writeTextFile(join(usage, "202601.jsonl"), "");
  const summed = join(usage, "202601.jsonl.7.new");
  for (const path of [...copies, ...above, summed]) {
    await Deno.writeTextFile(path, record("b"));
    const old = Date.now() / 1000 - 25 * 3600;
    await Deno.utime(path, old, old);
  }
  await Deno.writeTextFile(join(complete, ".joining-4d"), record("b"));
  const keeping = housekeepingOf(folder.path, {});
  await keeping.look();
  await keeping.close();
  assert.deepEqual(namesIn(complete), [".joining-4d", "20260129_10.jsonl"]);
  assert.deepEqual(namesIn(usage), ["202601.jsonl"]);
  assert.deepEqual(namesIn(folder.path), ["requests_responses", "usage"]);
});

Deno.test("a packed file that was put together from several is read to its end", async () => {
  await using folder = await temporaryFolder();
  const complete = join(folder.path, "requests_responses");
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const path = hourFile(complete, "20260129_10");
  for (const id of ["a", "b", "c"]) {
    await put(complete, "20260129_10", [record(id)]);
    await pack(path);
    parts.push(await Deno.readFile(`${path}.gz`));
  }
  const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
  await Deno.writeFile(`${path}.gz`, whole);
  assert.equal((await linesOf(path)).length, 3);
  const query = { text: "", model: "", hour: "", incomplete: false, cursor: "" };
  assert.equal((await browse(folder.path, query)).records.length, 3);
  for (const cut of [4, parts[2].length - 4]) {
    await Deno.writeFile(`${path}.gz`, whole.subarray(0, whole.length - cut));
    await assert.rejects(linesOf(path), DamagedFile, `${cut} bytes less`);
  }
});

Deno.test({
  name: "records that lie elsewhere are read through their symlink, and taken out there",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using folder = await temporaryFolder();
    await using elsewhere = await temporaryFolder();
    const complete = join(folder.path, "requests_responses");
    await put(complete, hourName(NOW), [record("d")]);
    const lines = [record("a", { key: "alice" }), record("b")];
    const plain = await put(elsewhere.path, "20260129_10", lines);
    await Deno.symlink(plain, hourFile(complete, "20260129_10"));
    const packed = await put(elsewhere.path, "20260128_10", [record("c", { key: "alice" })]);
    await pack(packed);
    await Deno.symlink(`${packed}.gz`, `${hourFile(complete, "20260128_10")}.gz`);
    const ran = async (...args: string[]) => {
      await using child = startProcess(Deno.execPath(), {
        args: ["run", "-A", join(ROOT, "main.ts"), ...args, "--data-dir", folder.path],
      });
      return { ...await child.status, out: child.stdout(), err: child.stderr() };
    };
    const all = await ran("export");
    assert.match(all.err, /4 of 4 lines written from 3 files/);
    const query = { text: "", model: "", hour: "", incomplete: false, cursor: "" };
    assert.equal((await browse(folder.path, query)).records.length, 4);
    // What is elsewhere is looked after there.
    const keeping = housekeepingOf(folder.path, { record: { compress: "gzip" } });
    await keeping.look();
    await keeping.close();
    assert.ok((await Deno.lstat(hourFile(complete, "20260129_10"))).isSymlink);
    const gone = await ran("records", "delete", "--key", "alice");
    assert.equal(gone.code, 0, gone.err);
    assert.deepEqual(await linesOf(plain), [lines[1]]);
    assert.ok((await Deno.lstat(hourFile(complete, "20260129_10"))).isSymlink);
    assert.deepEqual(namesIn(elsewhere.path), ["20260129_10.jsonl"], "a file of nothing goes");
    assert.equal(namesIn(complete).length, 2, "with what led to it");
    await Deno.remove(plain);
    for (const args of [["export"], ["records", "delete", "--key", "alice"]]) {
      const refused = await ran(...args);
      assert.equal(refused.code, 1);
      assert.match(refused.err, /20260129_10\.jsonl does not exist/);
    }
  },
});

Deno.test("half a line of what is flagged is dropped, since what is torn lies where others read", async () => {
  await using folder = await temporaryFolder();
  const path = await put(join(folder.path, "flagged"), "20260131_12", [
    record("a"),
    '{"id":"b","c',
  ]);
  await Deno.truncate(path, (await Deno.stat(path)).size - 1);
  await mendNewest(folder.path, "flagged", 2);
  assert.equal(await Deno.readTextFile(path), `${record("a")}\n`);
  assert.deepEqual(namesIn(folder.path), ["flagged"]);
});

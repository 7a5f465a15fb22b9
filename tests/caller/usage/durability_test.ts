// What was used outlives the process: killed at any moment, beside another one, on a full disk.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Ledger } from "../../../lib/caller/usage/ledger.ts";
import { UsageKeeper } from "../../../lib/caller/usage/keeper.ts";
import { UsageMemory } from "../../../lib/caller/usage/usage_memory.ts";
import { type ChildProcess, startProcess } from "../../support/processes.ts";
import { oneOf, waitFor } from "../../support/wait.ts";
import { charge } from "./charges.ts";

const MAIN = join(import.meta.dirname!, "keeper_main.ts");

function start(dataDir: string, key: string, perSecond: number, total = Infinity): ChildProcess {
  const args = ["run", "-A", "--no-check", MAIN, dataDir, key, String(perSecond), String(total)];
  return startProcess(Deno.execPath(), { args });
}

/** What a process has said last. */
function said(child: ChildProcess): { charged: number; used: number; web: number; at: number } {
  const last = [...child.output().matchAll(/at (\d+) charged (\d+) used (\d+) web (\d+)\n/g)].at(
    -1,
  );
  const [at, charged, used, web] = (last ?? [0, 0, 0, 0, 0]).slice(1).map(Number);
  return { at, charged, used, web };
}

async function withDataDir(test: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await Deno.makeTempDir();
  try {
    await test(dataDir);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

/** The file of this month. */
function fileIn(dataDir: string): string {
  const month = new Date().toISOString().slice(0, 7).replace("-", "");
  return join(dataDir, "usage", `${month}.jsonl`);
}

/** Requests of a key in the files, by reading them as anyone would. */
async function written(dataDir: string, key: string): Promise<number> {
  const text = await Deno.readTextFile(fileIn(dataDir));
  assert.ok(text.endsWith("\n"), "the file ends with a whole line");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line))
    .filter((line) => line.key === key)
    .reduce((sum, { requests }) => sum + requests, 0);
}

/** A keeper in this process, and what it has told. */
async function keep(dataDir: string) {
  const told: string[] = [];
  const keeper = new UsageKeeper(UsageMemory.create(), {
    torn: (_, bytes) => told.push(`torn ${bytes}`),
    odd: (_, lines) => told.push(`odd ${lines}`),
    failed: (reason) => told.push(`failed ${reason}`),
    written: () => told.push("written"),
    booked() {},
  });
  keeper.apply({ dataDir, timeZone: "UTC", hasTotals: true, hasKeys: true });
  await keeper.restore();
  return { keeper, told, ledger: keeper.ledger };
}

function requests(ledger: Ledger, key: string): number {
  return ledger.used("key", key, "month").requests;
}

Deno.test("access 30: a process that is killed again and again loses at most a second, and no line is half", () =>
  oneOf(3, losesASecondAtMost));

/** Of its own clock: a machine on which it has no turn for a second spoils a try. */
async function losesASecondAtMost(): Promise<void> {
  await withDataDir(async (dataDir) => {
    let before = 0;
    for (let round = 0; round < 4; round++) {
      await using child = start(dataDir, "web", 2000);
      const [, restored] = await child.waitForOutput(/restored (\d+)/);
      assert.equal(Number(restored), before);
      await waitFor(() => said(child).charged > 2500 + round * 137, "charges");
      await child.kill();
      const words = [...child.output().matchAll(/at (\d+) charged (\d+)/g)]
        .map(([, at, charged]) => ({ at: Number(at), charged: Number(charged) }));
      const last = words.at(-1)!;
      const second = words.findLast(({ at }) => at <= last.at - 1000)!;
      const now = await written(dataDir, "web");
      assert.ok(
        now >= before + second.charged,
        `${now} written, ${second.charged} a second before`,
      );
      // It may have charged for a moment after its last word.
      assert.ok(now <= before + last.charged + 500, `${now} written, ${last.charged} charged`);
      before = now;
    }
  });
}

Deno.test("access 30: a process that ends in good order loses nothing", async () => {
  await withDataDir(async (dataDir) => {
    await using child = start(dataDir, "web", 3000);
    await waitFor(() => said(child).charged > 100, "charges");
    await child.stop();
    const [, charged] = child.output().match(/closed with (\d+)/)!;
    assert.equal(await written(dataDir, "web"), Number(charged));
    const { keeper, ledger } = await keep(dataDir);
    assert.equal(requests(ledger, "web"), Number(charged));
    assert.equal(ledger.used("key", "web", "total").requests, Number(charged));
    await keeper.close();
  });
});

Deno.test("access 30: a last line that a crash has cut off is dropped at the start, and said", async () => {
  await withDataDir(async (dataDir) => {
    const first = await keep(dataDir);
    first.ledger.charge(charge({ atMs: Date.now() }));
    await first.keeper.close();
    const torn = '{"day":"2026-11-26","key":"web","gro';
    await Deno.writeTextFile(fileIn(dataDir), torn, { append: true });
    const { keeper, ledger, told } = await keep(dataDir);
    assert.deepEqual(told, [`torn ${torn.length}`]);
    assert.equal(requests(ledger, "web"), 1);
    ledger.charge(charge({ atMs: Date.now() }));
    await keeper.close();
    assert.equal(await written(dataDir, "web"), 2);
    assert.equal(requests(ledger, "web"), 2);
  });
});

Deno.test("access 30: two processes share the files: each sees what the other has used, nothing twice", async () => {
  await withDataDir(async (dataDir) => {
    await using old = start(dataDir, "web", 1000);
    await waitFor(() => said(old).charged > 600, "charges");
    await using young = start(dataDir, "web", 1000, 700);
    await young.waitForOutput(/restored/);
    await waitFor(() => said(young).charged === 700, "charges of the younger");
    await old.stop();
    const charged = Number(old.output().match(/closed with (\d+)/)![1]) + 700;
    await waitFor(() => said(young).used === charged, "the sum");
    await young.stop();
    assert.equal(await written(dataDir, "web"), charged);
    const { keeper, ledger } = await keep(dataDir);
    assert.equal(requests(ledger, "web"), charged);
    await keeper.close();
  });
});

Deno.test("access 30: the successor of a process that was killed goes on with what that had written", async () => {
  await withDataDir(async (dataDir) => {
    await using old = start(dataDir, "web", 1000);
    await using young = start(dataDir, "ci", 1000);
    await waitFor(() => said(old).charged > 800 && said(young).charged > 100, "charges of both");
    await old.kill();
    const left = await written(dataDir, "web");
    await waitFor(() => said(young).web === left, "what the older has left");
    await young.stop();
    assert.equal(await written(dataDir, "web"), left);
  });
});

Deno.test("access 30: on a full disk usage goes on from memory, with an alert, and is written when there is room", async () => {
  await withDataDir(async (dataDir) => {
    const path = fileIn(dataDir);
    await Deno.mkdir(join(dataDir, "usage"));
    // Takes no byte, as a disk without room.
    await Deno.symlink("/dev/full", path);
    const { keeper, ledger, told } = await keep(dataDir);
    for (let n = 0; n < 10; n++) ledger.charge(charge({ atMs: Date.now() }));
    await waitFor(() => told.length > 0, "the failure");
    assert.match(told[0], /failed .*no space/i);
    ledger.charge(charge({ atMs: Date.now() }));
    assert.equal(requests(ledger, "web"), 11, "limits go on");
    await Deno.remove(path);
    await waitFor(() => told.includes("written"), "the write after it");
    await waitFor(async () => await written(dataDir, "web") === 11, "the sum");
    assert.equal(requests(ledger, "web"), 11);
    await keeper.close();
  });
});

Deno.test("access 30: usage that cannot be read at the start is told, and read as soon as it can be", async () => {
  await withDataDir(async (dataDir) => {
    const first = await keep(dataDir);
    first.ledger.charge(charge({ atMs: Date.now() }));
    await first.keeper.close();
    const path = fileIn(dataDir);
    await Deno.rename(path, `${path}.aside`);
    await Deno.mkdir(path);
    const { keeper, ledger, told } = await keep(dataDir);
    assert.match(told[0], /failed .*directory/i);
    ledger.charge(charge({ atMs: Date.now() }));
    assert.equal(requests(ledger, "web"), 1);
    await Deno.remove(path);
    await Deno.rename(`${path}.aside`, path);
    await waitFor(() => requests(ledger, "web") === 2, "what the file says");
    await keeper.close();
    assert.equal(await written(dataDir, "web"), 2);
  });
});

Deno.test("another data_dir is read in place of the one before, and gets what was not written there", async () => {
  await withDataDir(async (dataDir) => {
    const one = join(dataDir, "one");
    const two = join(dataDir, "two");
    const old = await keep(two);
    for (let n = 0; n < 5; n++) old.ledger.charge(charge({ atMs: Date.now() }));
    await old.keeper.close();
    const { keeper, ledger } = await keep(one);
    ledger.charge(charge({ atMs: Date.now() }));
    keeper.apply({ dataDir: two, timeZone: "UTC", hasTotals: false, hasKeys: true });
    await keeper.restore();
    assert.equal(requests(ledger, "web"), 5);
    assert.equal(await written(one, "web"), 1);
    ledger.charge(charge({ atMs: Date.now() }));
    await keeper.close();
    assert.equal(await written(two, "web"), 6);
  });
});

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { Amount } from "../../../lib/caller/usage/amount.ts";
import { Book, type BookEvents, type BookOptions } from "../../../lib/caller/usage/book.ts";
import { usagePath } from "../../../lib/caller/usage/files.ts";
import { Periods } from "../../../lib/caller/usage/period.ts";
import { writeLine } from "../../../lib/caller/usage/row.ts";
import { UsageMemory } from "../../../lib/caller/usage/usage_memory.ts";
import { temporaryFolder } from "../../support/processes.ts";

/** A book of a folder by a clock; nothing may fail but where `heard` says what is done with it. */
function stand(dataDir: string, now: () => number, heard: Partial<BookEvents> = {}) {
  const periods = new Periods("UTC");
  const memory = UsageMemory.create();
  const options: BookOptions = {
    dataDir,
    memory,
    events: { torn() {}, odd() {}, failed: assert.fail, written() {}, ...heard },
    periods: () => periods,
    now,
    onBooked: () => {},
    onRead: () => {},
  };
  return { options, memory, periods, book: new Book(options) };
}

Deno.test("what is booked while others are being written is written before it is acknowledged", async () => {
  await using folder = await temporaryFolder();
  const now = Date.UTC(2026, 10, 26, 12);
  const { book } = stand(folder.path, () => now);
  const amount = new Amount();
  amount.prompt = -5;
  const correct = (name: string) =>
    book.correct({ scope: "key", name, period: "2026-11-26" }, amount);
  correct("first");
  const underWay = book.flush();
  correct("second");
  await book.written();
  const text = await Deno.readTextFile(usagePath(folder.path, "2026-11"));
  assert.match(text, /"first"/);
  assert.match(text, /"second"/);
  await underWay;
  await book.close(1000);
});

Deno.test("what a file says of days that nobody asks for any more is not kept, nor counted", async () => {
  await using folder = await temporaryFolder();
  let now = Date.UTC(2026, 10, 1, 12);
  const { book, memory, periods } = stand(folder.path, () => now);
  const amount = new Amount();
  amount.prompt = 5;
  const row = (day: string) => ({
    ...{ day, key: "web", group: "", client: "", model: "m", outcome: "complete" },
  });
  for (let day = 1; day <= 10; day++) {
    now = Date.UTC(2026, 10, day, 12);
    book.add(row(periods.dayAt(now).name), amount.copy());
    await book.written();
  }
  const counted: string[] = [];
  const { count } = memory;
  memory.count = (changes, at) => {
    counted.push(...[...changes].map(([{ name }]) => name));
    return count.call(memory, changes, at);
  };
  // Another process writes the file anew.
  const path = usagePath(folder.path, "2026-11");
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(`${path}.other`, text.split("\n").slice(5).join("\n"));
  await Deno.rename(`${path}.other`, path);
  await book.written();
  assert.ok(counted.includes("key 2026-11 web"), `${counted}`);
  assert.ok(!counted.some((name) => name.includes("2026-11-01")), `${counted}`);
  await book.close(1000);
});

Deno.test("what is read of a folder that is left meanwhile does not count", async () => {
  await using folder = await temporaryFolder();
  const now = Date.UTC(2026, 10, 26, 12);
  const { options, memory } = stand(folder.path, () => now);
  const amount = new Amount();
  amount.prompt = 5;
  const written = new Book(options);
  written.correct({ scope: "key", name: "web", period: "2026-11" }, amount);
  await written.close(1000);
  written.leave();
  const sum = () => memory.read("key 2026-11 web").prompt;
  assert.equal(sum(), 0);
  const left = new Book(options);
  const reading = left.restore();
  left.leave();
  await reading;
  assert.equal(sum(), 0);
  const read = new Book(options);
  await read.restore();
  assert.equal(sum(), 5);
});

Deno.test("a month that cannot be read holds up no other, and is read once it can be", async () => {
  await using folder = await temporaryFolder();
  const now = Date.UTC(2026, 10, 26, 12);
  const failures: string[] = [];
  let written = 0;
  const { book, memory } = stand(folder.path, () => now, {
    failed: (why) => failures.push(why),
    written: () => written++,
  });
  const line = (day: string, prompt: number) => {
    const amount = new Amount();
    amount.prompt = prompt;
    const row = { day, key: "web", group: "", client: "", model: "m", outcome: "complete" };
    return writeLine({ kind: "used", row, amount });
  };
  await Deno.mkdir(usagePath(folder.path, "2026-09"), { recursive: true });
  await Deno.writeTextFile(usagePath(folder.path, "2026-08"), line("2026-08-02", 1));
  await Deno.writeTextFile(usagePath(folder.path, "2026-10"), line("2026-10-02", 100));
  const used = () => memory.read("key total web").prompt;
  await book.restoreAll();
  assert.equal(used(), 101);
  assert.equal(failures.length, 1);
  assert.match(failures[0], /202609\.jsonl/);
  await Deno.remove(usagePath(folder.path, "2026-09"));
  await Deno.writeTextFile(usagePath(folder.path, "2026-09"), line("2026-09-02", 10));
  await book.written();
  assert.equal(used(), 111);
  assert.deepEqual([failures.length, written], [1, 1]);
  await book.close(1000);
});

Deno.test("what was used is known again once a clock that was years ahead is set right", async () => {
  await using folder = await temporaryFolder();
  const today = Date.UTC(2026, 10, 26, 12);
  const amount = new Amount();
  amount.prompt = 5;
  const row = {
    ...{ day: "2026-11-26", key: "web", group: "", client: "", model: "m", outcome: "complete" },
  };
  const path = usagePath(folder.path, "2026-11");
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, writeLine({ kind: "used", row, amount }));
  let now = Date.UTC(2030, 0, 1);
  const { book, memory } = stand(folder.path, () => now);
  const used = () =>
    ["2026-11-26", "2026-11", "total"].map((period) => memory.read(`key ${period} web`).tokens);
  await book.restore();
  await book.restoreAll();
  now = today;
  await book.written();
  assert.deepEqual(used(), [5, 5, 5]);
  // Ahead and back again, while another process writes the file anew.
  for (const ms of [Date.UTC(2030, 0, 1), today]) {
    now = ms;
    await book.written();
    await Deno.copyFile(path, `${path}.other`);
    await Deno.rename(`${path}.other`, path);
    await book.written();
    assert.deepEqual(used()[2], 5);
  }
  assert.deepEqual(used(), [5, 5, 5]);
  await book.close(1000);
});

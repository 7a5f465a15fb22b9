// A file of usage that several write: what each is told, and how it is kept short.

import assert from "node:assert/strict";
import { join } from "node:path";
import { Amount } from "../../../lib/caller/usage/amount.ts";
import { type Line, readLine, writeLine } from "../../../lib/caller/usage/row.ts";
import { UsageFile } from "../../../lib/caller/usage/usage_file.ts";

function line(key: string, requests: number, cost = 0.1): string {
  const amount = new Amount().pay(cost);
  amount.requests = requests;
  const row = { day: "2026-11-26", key, group: "", client: "", model: "m", outcome: "complete" };
  return writeLine({ kind: "used", row, amount });
}

/** One of those who write to `path`, with what it was told. */
class Writer {
  readonly file: UsageFile;
  told: Line[] = [];
  constructor(path: string) {
    this.file = new UsageFile(path);
  }
  async write(text: string) {
    const news = await this.file.exchange(text, (line) => this.told.push(line));
    assert.equal(news.failed, null);
    return news;
  }
  get requests(): number {
    return this.told.reduce((sum, { amount }) => sum + amount.requests, 0);
  }
}

async function withFile(test: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(join(folder, "usage", "202611.jsonl"));
    const names = [...Deno.readDirSync(join(folder, "usage"))].map(({ name }) => name);
    assert.deepEqual(names, ["202611.jsonl"], "nothing is left beside it");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function linesOf(path: string): Promise<(Line | null)[]> {
  return (await Deno.readTextFile(path)).trimEnd().split("\n").map(readLine);
}

Deno.test("who writes is told what others have written, each line once, and none of its own", async () => {
  await withFile(async (path) => {
    const [one, two] = [new Writer(path), new Writer(path)];
    await one.write(line("a", 1));
    const first = await two.write(line("b", 2));
    assert.ok(first.anew);
    assert.equal(two.requests, 1);
    const second = await one.write("");
    assert.equal(second.anew, false);
    assert.equal(one.requests, 2);
    await one.write("");
    await two.write("");
    assert.deepEqual([one.requests, two.requests], [2, 1]);
  });
});

Deno.test("a file that was summed up says the same in fewer lines, also to who writes it meanwhile", async () => {
  await withFile(async (path) => {
    const [one, two] = [new Writer(path), new Writer(path)];
    for (let n = 0; n < 200; n++) await one.write(line(`key ${n % 4}`, 1));
    await two.write(line("key 0", 1000));
    assert.equal(two.requests, 200);
    const summing = one.file.sumUp((line) => one.told.push(line));
    const writes = [];
    for (let n = 0; n < 10; n++) writes.push(one.write(line("key 1", 1)), two.write(line("c", 1)));
    const news = await summing;
    await Promise.all(writes);
    await one.write("");
    assert.equal(one.requests, 1010, "what the other wrote, once");
    assert.equal(news.failed, null);
    const lines = await linesOf(path);
    assert.ok(lines.length <= 4 + 20 + 1, `${lines.length} lines`);
    const total = lines.reduce((sum, line) => sum + line!.amount.requests, 0);
    assert.equal(total, 200 + 1000 + 20);
    const cost = lines.reduce((sum, line) => sum.add(line!.amount), new Amount()).cost;
    assert.equal(cost, 22.1);
    // The other finds another file in its place, and all that it says.
    two.told = [];
    const { anew } = await two.write("");
    assert.ok(anew || two.told.length === 0);
  });
});

Deno.test("of two that sum up at the same time one gives way", async () => {
  await withFile(async (path) => {
    const [one, two] = [new Writer(path), new Writer(path)];
    for (let n = 0; n < 100; n++) await one.write(line("a", 1));
    await two.write("");
    await Promise.all([one.file.sumUp(() => {}), two.file.sumUp(() => {})]);
    const lines = await linesOf(path);
    assert.deepEqual(lines.map((one) => one!.amount.requests), [100]);
  });
});

Deno.test("a line that says nothing is counted, and left out when the file is summed up", async () => {
  await withFile(async (path) => {
    const one = new Writer(path);
    await one.write(line("a", 1));
    await Deno.writeTextFile(path, "# a note\n[1]\n" + line("a", 2), { append: true });
    const news = await one.write(line("a", 4));
    assert.equal(news.odd, 2);
    assert.equal(one.requests, 2);
    await one.file.sumUp(() => {});
    assert.deepEqual((await linesOf(path)).map((one) => one!.amount.requests), [7]);
  });
});

Deno.test("the first line that says nothing is told by its number, however much was read before", async () => {
  await withFile(async (path) => {
    const [one, other] = [new Writer(path), new Writer(path)];
    await one.write(line("a", 1) + line("a", 2));
    await other.write("");
    const endless = line("b", 1).replace('"requests":1', '"requests":1e400');
    await Deno.writeTextFile(path, line("b", 4) + endless + "7\n", { append: true });
    const { odd, firstOdd } = await other.write("");
    assert.deepEqual([odd, firstOdd, other.requests], [2, 4, 7]);
    assert.equal((await one.write(line("a", 8))).firstOdd, 4);
    assert.equal((await other.write("")).firstOdd, null);
    assert.equal(other.requests, 15);
  });
});

Deno.test("a name with quotes, line ends or half a surrogate pair stays on its line", async () => {
  await withFile(async (path) => {
    const one = new Writer(path);
    for (const key of ['a"b', "a\nb", "a\u2028b", "\ud83d", "空"]) await one.write(line(key, 1));
    const two = new Writer(path);
    const news = await two.write("");
    assert.equal(news.odd, 0);
    assert.equal(two.told.length, 5);
  });
});

Deno.test("a file that was removed is made again, and what was in it is not told again", async () => {
  await withFile(async (path) => {
    const one = new Writer(path);
    await one.write(line("a", 1));
    await Deno.remove(path);
    await one.write("");
    await one.write(line("a", 2));
    assert.deepEqual((await linesOf(path)).map((one) => one!.amount.requests), [2]);
    assert.equal(one.requests, 0);
  });
});

// Counting descriptors by the numbers that the system gives: the reserve is kept, room is made, a limit that
// is raised is noticed.

import assert from "node:assert/strict";
import { Descriptors } from "../../lib/machine/descriptors.ts";
import type { Scarce } from "../../lib/machine/scarcity.ts";

/** A table of files with a limit, as the system keeps one for each process. */
class Table {
  readonly #open = new Set<number>();
  constructor(public limit: number) {}

  open = (): number => {
    let file = 0;
    while (this.#open.has(file)) file++;
    if (file >= this.limit) {
      throw Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
    }
    this.#open.add(file);
    return file;
  };

  close = (file: number): void => {
    assert.ok(this.#open.delete(file), `${file} is open`);
  };

  get count(): number {
    return this.#open.size;
  }
}

/** Takes what there is for `wanted`; returns how many. */
function fill(descriptors: Descriptors, table: Table, wanted: "client" | "instance"): number {
  let count = 0;
  for (; descriptors.hasRoom(wanted); count++) table.open();
  return count;
}

for (const limit of [64, 100, 1024, 4096]) {
  Deno.test(`of ${limit} files a reserve is left by clients, and a half of it by instances`, () => {
    const table = new Table(limit);
    const descriptors = new Descriptors(() => {}, table);
    fill(descriptors, table, "client");
    const left = limit - table.count;
    assert.equal(left, descriptors.reserve);
    fill(descriptors, table, "instance");
    assert.equal(limit - table.count, descriptors.reserve / 2);
    assert.ok(!descriptors.isOut);
  });
}

Deno.test("what is closed is room again, and a limit that was raised is found", async () => {
  const table = new Table(200);
  const descriptors = new Descriptors(() => {}, table);
  fill(descriptors, table, "client");
  assert.ok(!descriptors.hasRoom("client"));
  for (let file = 50; file < 60; file++) table.close(file);
  assert.ok(descriptors.hasRoom("client"));
  fill(descriptors, table, "client");
  table.limit = 4000;
  const now = performance.now;
  try {
    performance.now = () => now.call(performance) + 6000;
    assert.ok(descriptors.hasRoom("client"));
  } finally {
    performance.now = now;
  }
  assert.ok(await descriptors.findRoom("client"));
});

Deno.test("what another worker opens to count is not taken for the limit", () => {
  const table = new Table(100);
  const theirs: number[] = [];
  while (table.count < 100) theirs.push(table.open());
  const descriptors = new Descriptors(() => {}, table, (look) => {
    // Its look is over by the time that this one may begin.
    for (const file of theirs.splice(0)) table.close(file);
    return look();
  });
  fill(descriptors, table, "client");
  assert.equal(100 - table.count, descriptors.reserve);
});

Deno.test("who joined last is asked first to close something, and nobody when that was enough", async () => {
  const table = new Table(100);
  const told: Scarce[] = [];
  const descriptors = new Descriptors((what) => told.push(what), table);
  const asked: string[] = [];
  descriptors.join(() => asked.push("instances"));
  descriptors.join(() => {
    asked.push("clients");
    for (let file = 10; file < 20; file++) table.close(file);
    return 10;
  });
  fill(descriptors, table, "client");
  assert.ok(await descriptors.findRoom("client"));
  assert.deepEqual(asked, ["clients"]);
  assert.deepEqual(told, []);
});

Deno.test("without room it is told what is scarce, not over and over", async () => {
  const table = new Table(100);
  const told: Scarce[] = [];
  const descriptors = new Descriptors((what) => told.push(what), table);
  fill(descriptors, table, "client");
  for (let i = 0; i < 5; i++) assert.ok(!await descriptors.findRoom("client"));
  assert.deepEqual(told, ["files"]);
});

Deno.test("without files to open, only the system's refusals are known", async () => {
  const told: Scarce[] = [];
  const descriptors = new Descriptors((what) => told.push(what), {
    open: () => {
      throw new Deno.errors.NotCapable("no");
    },
    close() {},
  });
  assert.ok(await descriptors.findRoom("client"));
  descriptors.refused("ports");
  assert.deepEqual(told, ["ports"]);
});

// A file that is written anew, and what is left where that fails.

import assert from "node:assert/strict";
import { join } from "node:path";
import { putInPlace, replaceFile } from "../../lib/files/replace.ts";
import { writeAll } from "../../lib/files/write_all.ts";
import { temporaryFolder } from "../support/processes.ts";

const namesIn = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name);

Deno.test("a file is made, and replaced, for its owner alone", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "list.json");
  await replaceFile(path, "first, and longer");
  await replaceFile(path, new TextEncoder().encode("second"));
  assert.equal(await Deno.readTextFile(path), "second");
  assert.deepEqual(namesIn(folder.path), ["list.json"]);
  if (Deno.build.os !== "windows") assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
});

Deno.test("where it cannot take its place nothing of it stays, and what was there does", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "taken");
  await Deno.mkdir(join(path, "by a folder"), { recursive: true });
  await assert.rejects(replaceFile(path, "text"));
  assert.deepEqual(namesIn(folder.path), ["taken"]);
  await assert.rejects(replaceFile(join(folder.path, "nowhere", "file"), "text"));
  assert.deepEqual(namesIn(folder.path), ["taken"]);
});

Deno.test("a file that may only be read takes its place, too", async () => {
  await using folder = await temporaryFolder();
  const fresh = join(folder.path, "fresh");
  await Deno.writeTextFile(fresh, "text", { mode: 0o400 });
  await putInPlace(fresh, join(folder.path, "file"));
  assert.deepEqual(namesIn(folder.path), ["file"]);
});

Deno.test("what a system takes in parts is written whole", async () => {
  const taken: number[] = [];
  await writeAll({
    write(bytes) {
      const count = Math.min(3, bytes.length);
      taken.push(...bytes.subarray(0, count));
      return Promise.resolve(count);
    },
  }, new Uint8Array([1, 2, 3, 4, 5, 6, 7]));
  assert.deepEqual(taken, [1, 2, 3, 4, 5, 6, 7]);
});

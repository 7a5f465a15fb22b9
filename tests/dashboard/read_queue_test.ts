// Reads of files on behalf of those who look: few at a time, in order, none for who has left.

import assert from "node:assert/strict";
import { Dashboard } from "../../lib/dashboard/dashboard.ts";
import { MAX_WAITING, ReadQueue, TooManyReads } from "../../lib/dashboard/read_queue.ts";
import type { DashboardSource } from "../../lib/dashboard/source.ts";
import { hourFile } from "../../lib/observe/hour_files.ts";
import { linesBackwards } from "../../lib/observe/lines_backwards.ts";
import { readCurves } from "../../lib/observe/minute_files.ts";
import { pack } from "../../lib/observe/packed_file.ts";
import { Turns } from "../../lib/http/turns.ts";
import { reportUsage } from "../../lib/caller/usage/report.ts";
import { browse, readRecord } from "../../lib/record/browse.ts";
import { browseRequests, findRequest } from "../../lib/requests/browse.ts";
import { ANY } from "../../lib/requests/filter.ts";
import { temporaryFolder } from "../support/processes.ts";

const NOBODY_LEAVES = new AbortController().signal;
/** What was resolved by now has been told to whoever waits for it. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

/** Reads that go on until they are ended, by the order in which they began. */
class Reads {
  readonly begun: string[] = [];
  readonly #ends: [name: string, end: PromiseWithResolvers<string>][] = [];

  read = (name: string) => () => {
    this.begun.push(name);
    const end = Promise.withResolvers<string>();
    this.#ends.push([name, end]);
    return end.promise;
  };

  end(name: string): void {
    for (const [one, { resolve }] of this.#ends) if (one === name) resolve(name);
  }

  fail(name: string): void {
    for (const [one, { reject }] of this.#ends) {
      if (one === name) reject(new Error(`${name} is damaged`));
    }
  }
}

Deno.test("two files are read at a time, the others in the order in which they were asked for", async () => {
  const [queue, reads] = [new ReadQueue(), new Reads()];
  const asked = ["a", "b", "c", "d", "e"].map((name) => queue.run(NOBODY_LEAVES, reads.read(name)));
  await settled();
  assert.deepEqual(reads.begun, ["a", "b"]);
  reads.end("b");
  assert.equal(await asked[1], "b");
  await settled();
  assert.deepEqual(reads.begun, ["a", "b", "c"]);
  reads.fail("a");
  await assert.rejects(asked[0], /a is damaged/);
  await settled();
  assert.deepEqual(reads.begun, ["a", "b", "c", "d"], "who fails gives its place on, too");
  for (const name of ["c", "d"]) reads.end(name);
  await settled();
  reads.end("e");
  assert.deepEqual(await Promise.all(asked.slice(2)), ["c", "d", "e"]);
  const again = queue.run(NOBODY_LEAVES, reads.read("f"));
  assert.deepEqual(reads.begun.at(-1), "f", "an empty queue lets nobody wait");
  reads.end("f");
  await again;
});

Deno.test("who leaves is taken out of the queue, and its place is for others", async () => {
  const [queue, reads] = [new ReadQueue(), new Reads()];
  const running = ["a", "b"].map((name) => queue.run(NOBODY_LEAVES, reads.read(name)));
  const leaving = new AbortController();
  const waiting = Array.from(
    { length: MAX_WAITING },
    (_, index) => queue.run(leaving.signal, reads.read(`left ${index}`)),
  );
  const ends = Promise.allSettled(waiting);
  await assert.rejects(queue.run(NOBODY_LEAVES, reads.read("beyond")), TooManyReads);
  leaving.abort();
  for (const { status } of await ends) assert.equal(status, "rejected");
  const last = queue.run(NOBODY_LEAVES, reads.read("c"));
  for (const name of ["a", "b"]) reads.end(name);
  await Promise.all(running);
  assert.deepEqual(reads.begun, ["a", "b", "c"], "nothing is read for who has left");
  reads.end("c");
  await last;
});

Deno.test("who leaves as its turn comes costs nobody else a turn", async () => {
  const [queue, reads] = [new ReadQueue(), new Reads()];
  const [first, second] = ["a", "b"].map((name) => queue.run(NOBODY_LEAVES, reads.read(name)));
  const leaving = new AbortController();
  const third = queue.run(leaving.signal, async (turns) => {
    await turns.next();
    return "read for nobody";
  });
  const fourth = queue.run(NOBODY_LEAVES, reads.read("d"));
  reads.end("a");
  await first;
  leaving.abort();
  await assert.rejects(third, { name: "AbortError" });
  await settled();
  assert.deepEqual(reads.begun, ["a", "b", "d"]);
  for (const name of ["b", "d"]) reads.end(name);
  await Promise.all([second, fourth]);
});

Deno.test("a look through a file ends at the next piece once nobody waits for it", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/20260131_12.jsonl`;
  await Deno.writeTextFile(path, "0123456\n".repeat(100_000));
  const leaving = new AbortController();
  let lines = 0;
  await assert.rejects(async () => {
    for await (const _ of linesBackwards(path, null, new Turns(leaving.signal))) {
      if (++lines === 10) leaving.abort();
    }
  }, { name: "AbortError" });
  assert.ok(lines <= 8192, `${lines} lines: more than the piece that was read`);
});

Deno.test("whatever reads files for pages ends where nobody waits for it", async () => {
  await using folder = await temporaryFolder();
  const dataDir = folder.path;
  const now = Date.UTC(2026, 0, 31, 12);
  const put = async (name: string, lines: string) => {
    await Deno.mkdir(`${dataDir}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${dataDir}/${name}`, lines);
  };
  await put("requests/20260131_12.jsonl", '{"id":"a"}\n');
  await put("requests_responses/20260131_12.jsonl", '{"id":"a"}\n');
  await put("requests_responses/20260130_12.jsonl", '{"id":"a"}\n');
  await pack(hourFile(`${dataDir}/requests_responses`, "20260130_12"));
  await put("history/20260131.jsonl", `{"t":${now / 60_000},"s":{}}\n`);
  await put("usage/202601.jsonl", "{}\n");
  const records = { text: "", model: "", hour: "", incomplete: false, cursor: "" };
  const place = (hour: string) => `requests_responses:${hour}:0`;
  const usage = { dataDir, by: ["key"], where: () => true } as const;
  const readers: Record<string, (turns: Turns) => Promise<unknown>> = {
    "a page of requests": (turns) => browseRequests(dataDir, ANY, "", 50, turns),
    "a request": (turns) => findRequest(dataDir, "x", null, turns),
    "a page of records": (turns) => browse(dataDir, records, turns),
    "a record": (turns) => readRecord(dataDir, place("20260131_12"), turns),
    "a packed record": (turns) => readRecord(dataDir, place("20260130_12"), turns),
    "curves": (turns) => readCurves(dataDir, "", "24h", now, turns),
    "usage": (turns) => reportUsage({ ...usage, turns }),
  };
  for (const [name, read] of Object.entries(readers)) {
    await read(new Turns());
    const left = new Turns(AbortSignal.abort());
    await assert.rejects(() => read(left), { name: "AbortError" }, name);
  }
});

/** All that the dashboard shows out of files. */
const OF_FILES = {
  "records": "records",
  "record?place=x": "record",
  "requests": "requests",
  "request?id=x": "request",
  "history": "curves",
  "usage": "usage",
  "usage?format=csv": "usageCsv",
  "config_file": "configFile",
} as const;

Deno.test("all that the dashboard shows out of files waits in one queue, and beyond it is refused", async () => {
  const reads = new Reads();
  const scripted = Object.fromEntries(
    Object.values(OF_FILES).map((method) => [method, () => reads.read(method)()]),
  );
  const other = { keys: () => Promise.resolve({}), failing: () => ({}), policies: () => ({}) };
  const source = { ...scripted, ...other } as unknown as DashboardSource;
  const dashboard = new Dashboard(source);
  const leaving = new AbortController();
  const ask = (path: string) => {
    const target = `/dashboard/api/${path}`;
    const request = { method: "GET", target, headers: [], body: new Uint8Array(), trusted: true };
    return dashboard.handle(request, leaving.signal);
  };
  const paths = Object.keys(OF_FILES);
  const asked = [...paths, ...new Array(MAX_WAITING + 2 - paths.length).fill("records")].map(ask);
  const ends = Promise.allSettled(asked);
  await settled();
  assert.deepEqual(reads.begun, ["records", "record"]);
  for (const path of paths) {
    const { status, headers, body } = await ask(path);
    assert.equal(status, 503, path);
    assert.ok(headers.some(([name, value]) => name === "retry-after" && /^\d+$/.test(value)));
    const { error } = JSON.parse(new TextDecoder().decode(body as Uint8Array));
    assert.equal(error.type, "TooManyReadsError");
    assert.match(error.message, /try again in \d+ seconds/);
  }
  for (const path of ["keys", "failing", "policies"]) {
    assert.equal((await ask(path)).status, 200, `${path} lies in no file`);
  }
  for (const method of Object.values(OF_FILES)) {
    assert.ok(reads.begun.includes(method), method);
    reads.end(method);
    await settled();
  }
  leaving.abort();
  reads.end("records");
  await ends;
});

// How the store of requests is looked through: by conditions, page by page, by an id.

import assert from "node:assert/strict";
import type { Report } from "../../lib/observe/report.ts";
import { browseRequests, findRequest } from "../../lib/requests/browse.ts";
import { ANY, type RequestFilter } from "../../lib/requests/filter.ts";
import { queryIn } from "../../lib/requests/parameters.ts";
import { threadCpuMs } from "../support/cpu.ts";
import { temporaryFolder } from "../support/processes.ts";
import { idsOf, NOON, report, standIn } from "./stand.ts";

const failed = { instance: "a", outcome: "failed", status: 503, error: "Engine is DEAD" } as const;
const answered = { instance: "b", outcome: "answered", status: 200 } as const;
const caller = {
  key: "web",
  group: "search",
  limited: "",
  queued: false,
  recordsWords: true,
  charged: { prompt: 1, cached: 0, completion: 1, cost: 0, estimated: false },
  estimatedPrompt: 0,
};

Deno.test("requests are found by each of the conditions, and by several at once", async () => {
  await using folder = await temporaryFolder();
  const { writer } = standIn(folder.path);
  const all: Report[] = [
    report("usual"),
    report("over", { instance: "b", attempts: [failed, answered] }),
    report("nobody", { outcome: "failed", status: 503, instance: "", attempts: [failed] }),
    report("lost", { outcome: "rejected", status: 404, model: "x", instance: "", attempts: [] }),
    report("left", { outcome: "aborted", caller }),
    report("slow", { durationMs: 20_000, waitedMs: 4000, startedAtMs: NOON.getTime() + 60_000 }),
    report("mended", { resumes: [{ from: "a", to: "b", way: "exact", atChars: 7 }] }),
  ];
  for (const one of all) writer.add(one);
  await writer.flush();
  const found = (more: Partial<RequestFilter>) => idsOf(folder.path, more);
  assert.deepEqual(await found({}), all.map(({ id }) => id).reverse());
  assert.deepEqual(await found({ model: "x" }), ["lost"]);
  assert.deepEqual(await found({ instance: "b" }), ["over"]);
  assert.deepEqual(await found({ client: "web" }), ["left"]);
  assert.deepEqual(await found({ client: "search" }), ["left"]);
  assert.deepEqual(await found({ status: "404" }), ["lost"]);
  assert.deepEqual(await found({ status: "5xx" }), ["nobody"]);
  assert.deepEqual(await found({ status: "4xx" }), ["lost"]);
  assert.deepEqual(await found({ outcome: "failed_over" }), ["over"]);
  assert.deepEqual(await found({ outcome: "resumed" }), ["mended"]);
  assert.deepEqual(await found({ outcome: "waited" }), ["slow"]);
  assert.deepEqual(await found({ outcome: "aborted" }), ["left"]);
  assert.deepEqual(
    await found({ outcome: "failing" }),
    ["lost", "nobody"],
    "who left has not failed",
  );
  assert.deepEqual(await found({ slowMs: 20_000 }), ["slow"]);
  assert.deepEqual(await found({ text: "engine is dead" }), ["nobody", "over"]);
  assert.deepEqual(await found({ text: "engine is dead", status: "200" }), ["over"]);
  assert.deepEqual(await found({ since: NOON.getTime() + 1 }), ["slow"]);
  assert.equal((await found({ until: NOON.getTime() })).length, all.length - 1);
});

Deno.test("pages lead through all hours to the first request, each once", async () => {
  await using folder = await temporaryFolder();
  const stand = standIn(folder.path);
  const ids = Array.from({ length: 230 }, (_, index) => `r${index}`);
  for (const [index, id] of ids.entries()) {
    if (index === 100) {
      await stand.writer.flush();
      stand.now = new Date(2026, 0, 31, 13, 1);
    }
    stand.writer.add(report(id));
  }
  await stand.writer.flush();
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page = await browseRequests(folder.path, ANY, cursor, 60);
    assert.ok(page.requests.length <= 60);
    seen.push(...page.requests.map(({ id }) => id));
    cursor = page.cursor;
  }
  assert.deepEqual(seen, ids.toReversed());
});

Deno.test("a request is found by its id, wherever it stands and whatever the guess of its time", async () => {
  await using folder = await temporaryFolder();
  const stand = standIn(folder.path);
  stand.writer.add(report("early"));
  await stand.writer.flush();
  stand.now = new Date(2026, 0, 31, 15);
  for (const id of ['odd "id"', "late"]) stand.writer.add(report(id));
  await stand.writer.flush();
  for (const near of [null, NOON.getTime(), stand.now.getTime(), 0]) {
    for (const id of ["early", "late", 'odd "id"']) {
      assert.equal((await findRequest(folder.path, id, near))?.id, id);
    }
  }
  assert.equal(await findRequest(folder.path, "lat"), null);
  assert.equal(await findRequest(folder.path, "demo"), null);
});

Deno.test("of 100,000 requests any page costs less than 50 ms, the last ones of a search as well", async () => {
  await using folder = await temporaryFolder();
  const { writer } = standIn(folder.path);
  for (let index = 0; index < 100_000; index++) {
    writer.add(report(`request-${index}`, index % 1000 === 0 ? { outcome: "failed" } : {}));
    if (index % 20_000 === 0) await writer.flush();
  }
  await writer.flush();
  const times: number[] = [];
  for (const filter of [ANY, { ...ANY, outcome: "failing" }, { ...ANY, text: "no such words" }]) {
    let cursor: string | null = "";
    for (let page = 0; page < 12 && cursor !== null; page++) {
      // What else this thread does is nothing: the files are read by others.
      const before = threadCpuMs();
      const found: Awaited<ReturnType<typeof browseRequests>> = await browseRequests(
        folder.path,
        filter,
        cursor,
      );
      JSON.stringify(found);
      times.push(threadCpuMs() - before);
      cursor = found.cursor;
    }
  }
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)];
  assert.ok(median < 50, `half of the pages cost ${median.toFixed(1)} ms or more`);
});

Deno.test("a query that cannot be meant is refused with what was expected", () => {
  const said = (text: string) => queryIn(new URLSearchParams(text));
  assert.match(String(said("status=40")), /status: expected/);
  assert.match(String(said("outcome=bad")), /outcome: expected one of complete/);
  assert.match(String(said("cursor=../../etc")), /cursor: expected/);
  assert.match(String(said("since=yesterday")), /since, until: expected/);
  assert.match(String(said("slow=-1")), /slow: expected/);
  assert.match(String(said("count=501")), /count: expected 1 to 500/);
  assert.ok(typeof said("status=5xx&since=2026-01-31T12:00:00Z&slow=10") !== "string");
});

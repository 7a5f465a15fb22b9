// The story of a request, told by the dashboard's API and by the command line, after the gateway has served
// it by real instances.

import assert from "node:assert/strict";
import { join } from "node:path";
import { type Fleet, startFleet } from "../faults/fleet.ts";
import { ROOT, startProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

const local = { admin: { local: true } };

// deno-lint-ignore no-explicit-any -- tests look into many shapes
async function get(fleet: Fleet, path: string): Promise<any> {
  const response = await fetch(`${fleet.gateway.url}/dashboard/api/${path}`);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

/** Requests as the API lists them, the oldest first; they are told a moment after their ends. */
// deno-lint-ignore no-explicit-any -- tests look into many shapes
async function told(fleet: Fleet, count: number, query = ""): Promise<any[]> {
  // deno-lint-ignore no-explicit-any -- tests look into many shapes
  let found: any[] = [];
  await waitFor(async () => {
    found = (await get(fleet, `requests?${query}`)).requests;
    return found.length >= count;
  }, () => `${count} requests: ${JSON.stringify(found)}`);
  return found.toReversed();
}

async function ran(...args: string[]) {
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), ...args],
  });
  const { code } = await child.status;
  return { code, out: child.stdout(), err: child.stderr() };
}

Deno.test("a request that failed over is told attempt by attempt, in the instance's own words", async () => {
  await using fleet = await startFleet({ config: local });
  await fleet.simulators.fail(0, "500", { count: 1 });
  await fleet.simulators.fail(1, "500", { count: 1 });
  const response = await fleet.chat({ stream: true }, { headers: { "x-request-id": "story-1" } });
  await response.text();
  assert.equal(response.status, 200);
  const [listed] = await told(fleet, 1);
  assert.equal(listed.id, "story-1");
  assert.equal(listed.outcome, "complete");
  const story = await get(fleet, `request?id=story-1&at=${listed.at}`);
  const { attempts } = story;
  assert.ok(attempts.length >= 2, JSON.stringify(attempts));
  assert.equal(attempts[0].outcome, "failed");
  assert.match(attempts[0].error, /500/);
  assert.equal(attempts.at(-1).outcome, "answered");
  let before = 0;
  for (const { start_ms, end_ms } of attempts) {
    assert.ok(start_ms >= before && end_ms >= start_ms, JSON.stringify(attempts));
    before = end_ms;
  }
  assert.ok(attempts.at(-1).first_ms >= attempts.at(-1).start_ms);
  assert.ok(before <= story.duration_ms + 1);
  const kinds = story.timeline.map(({ kind }: { kind: string }) => kind);
  assert.equal(kinds[0], "received");
  assert.equal(kinds[1], "asked");
  assert.equal(kinds[2], "attempt_ended");
  assert.deepEqual(kinds.slice(-3), ["asked", "began", "ended"]);
  assert.deepEqual((await told(fleet, 1, "outcome=failed_over")).map(({ id }) => id), ["story-1"]);

  const text = await ran("requests", "story-1", "--data-dir", fleet.gateway.dataDir);
  assert.equal(text.code, 0, text.err);
  assert.match(
    text.out,
    /\+\d+ms {2}asked sim-\d\b[^]*sim-\d: failed 500: [^]*sim-\d: first token/,
  );
  const list = await ran(
    "requests",
    "--data-dir",
    fleet.gateway.dataDir,
    "--outcome",
    "failed_over",
  );
  assert.match(list.out, /200 complete .* demo sim-\d 127\.0\.0\.1 story-1 \(\d attempts\)/);
});

Deno.test("a refused request, one that waited and one whose client left are all told", async () => {
  await using fleet = await startFleet({
    count: 1,
    each: () => ({ max_concurrency: 1 }),
    config: local,
  });
  await (await fleet.chat({ model: "nope" })).text();
  let two: Promise<Response>[] = [];
  await fleet.frozen(async () => {
    two = [fleet.chat(), fleet.chat()];
    await waitFor(async () => (await fleet.health()).waiting === 1, "one to wait");
    const begun = performance.now();
    await waitFor(() => performance.now() - begun > 150, "a wait that can be seen");
  });
  for (const one of two) await (await one).text();
  await fleet.simulators.fail(0, "hang");
  const leaving = new AbortController();
  const left = fleet.chat({ stream: true, max_tokens: 500 }, { signal: leaving.signal });
  left.catch(() => {});
  await waitFor(async () => (await fleet.counts())[0] === 3, "the third to be asked for");
  leaving.abort();
  const all = await told(fleet, 4);
  const [lost, , , gone] = all;
  assert.deepEqual([lost.outcome, lost.status], ["rejected", 404]);
  assert.match(lost.error, /nope` does not exist/);
  assert.equal(gone.outcome, "aborted");
  const [waited] = await told(fleet, 1, "outcome=waited");
  assert.ok(waited.waited_ms > 100, JSON.stringify(waited));
  assert.ok(waited.attempts[0].start_ms >= waited.waited_ms - 1);
  assert.equal((await told(fleet, 1, "outcome=failing")).length, 1, "who left has not failed");
  const json = await ran(
    "requests",
    "--json",
    "--status",
    "4xx",
    "--data-dir",
    fleet.gateway.dataDir,
  );
  const lines = json.out.trim().split("\n").map((line) => JSON.parse(line).outcome);
  assert.ok(lines.includes("rejected"), json.out);
});

Deno.test("requests are shown as records are: with the token, or to users of this host by admin.local", async () => {
  await using fleet = await startFleet();
  await (await fleet.chat()).text();
  for (const path of ["requests", "request?id=x"]) {
    const response = await fetch(`${fleet.gateway.url}/dashboard/api/${path}`);
    assert.equal(response.status, 403, path);
    await response.body?.cancel();
  }
});

Deno.test("an id that is not kept says where ids come from", async () => {
  await using fleet = await startFleet({ config: local });
  await (await fleet.chat()).text();
  await fleet.records(1, 0);
  const { code, err } = await ran("requests", "nothing", "--data-dir", fleet.gateway.dataDir);
  assert.equal(code, 1);
  assert.match(err, /no request nothing in .*x-request-id/);
  const response = await fetch(`${fleet.gateway.url}/dashboard/api/request?id=nothing`);
  assert.equal(response.status, 404);
  await response.body?.cancel();
});

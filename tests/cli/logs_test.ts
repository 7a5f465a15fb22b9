// `logs` over the records of a running gateway: filters, forms and following.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { hourName } from "../../lib/observe/hour_name.ts";
import { ROOT, startProcess, temporaryFolder } from "../support/processes.ts";
import { startFleet } from "../faults/fleet.ts";
import { waitFor } from "../support/wait.ts";

function command(...args: string[]) {
  return startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "logs", ...args],
  });
}

async function ran(...args: string[]) {
  await using child = command(...args);
  const { code } = await child.status;
  return { code, lines: child.stdout().split("\n").slice(0, -1), err: child.stderr() };
}

const say = (content: string) => ({ messages: [{ role: "user", content }] });

Deno.test("logs shows records one a line, by time, filtered by model, instance and outcome", async () => {
  await using fleet = await startFleet({
    count: 1,
    each: () => ({ model_name: ["demo", "other"], upstream_model: "demo" }),
    config: { resume: "off" },
  });
  const dir = ["--data-dir", fleet.gateway.dataDir];
  await (await fleet.chat(say("first question"))).text();
  await (await fleet.chat({ ...say("second\nquestion"), model: "other" })).text();
  await fleet.simulators.fail(0, "cut:2", { count: 1 });
  await (await fleet.chat({ ...say("a broken one"), stream: true })).text();
  await fleet.records(2, 1);

  const all = await ran(...dir);
  assert.equal(all.code, 0, all.err);
  assert.equal(all.lines.length, 2);
  assert.match(
    all.lines[0],
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d demo sim-0 .* length: first question -> /,
  );
  assert.match(all.lines[1], / other sim-0 .*: second question -> /);
  assert.deepEqual((await ran(...dir, "--model", "other")).lines, [all.lines[1]]);
  assert.deepEqual((await ran(...dir, "--instance", "nobody")).lines, []);
  assert.equal((await ran(...dir, "--incomplete")).lines.length, 3);
  const failed = await ran(...dir, "--errors");
  assert.equal(failed.lines.length, 1);
  assert.match(failed.lines[0], /FAILED .*a broken one/);
  assert.deepEqual((await ran(...dir, "--since", "2099-01-01")).lines, []);
  const json = (await ran(...dir, "--json")).lines.map((line) => JSON.parse(line));
  assert.deepEqual(json.map(({ model }) => model), ["demo", "other"]);
});

Deno.test("logs --errors tells of what left no record: refused requests, and failovers", async () => {
  await using fleet = await startFleet();
  const dir = ["--data-dir", fleet.gateway.dataDir];
  for (let n = 0; n < 2; n++) await (await fleet.chat({ model: "nobody's" })).text();
  await (await fleet.chat({ messages: 3 })).text();
  await fleet.simulators.fail(0, "500", { count: 1 });
  await fleet.simulators.fail(1, "500", { count: 1 });
  await (await fleet.chat()).text();
  await fleet.records(1, 0);
  let errors = await ran(...dir, "--errors");
  await waitFor(async () => {
    errors = await ran(...dir, "--errors");
    return /failover/.test(errors.err);
  }, "the lines of the requests");
  assert.equal(errors.code, 0);
  assert.deepEqual(errors.lines, [], "they are no records");
  assert.match(
    errors.err,
    /^3 requests were refused \(4xx\): simple-ai-gateway requests --status 4xx$/m,
  );
  assert.match(
    errors.err,
    /^1 request was answered after a failover: .* --outcome failed_over$/m,
  );
  assert.doesNotMatch((await ran(...dir)).err, /4xx/, "without --errors nobody asked");
  const later = await ran(...dir, "--errors", "--since", "2099-01-01");
  assert.doesNotMatch(later.err, /4xx/);
});

Deno.test("logs --follow goes on with what is written, and finds the folder by the config", async () => {
  await using fleet = await startFleet();
  await (await fleet.chat(say("before"))).text();
  await fleet.records(1, 0);
  await using child = command("--follow", "--config", fleet.gateway.configPath);
  await child.waitForOutput(/: before ->/);
  for (const word of ["during", "after"]) {
    await (await fleet.chat(say(word))).text();
    await child.waitForOutput(new RegExp(`: ${word} ->`));
  }
  child.signal("SIGINT");
  assert.equal((await child.status).code, 0);
  assert.equal(child.stdout().match(/ -> /g)?.length, 3, "each once");
});

Deno.test("what people said cannot steer the terminal", async () => {
  await using fleet = await startFleet({ count: 1 });
  await (await fleet.chat(say("\x1b[2J\x1b]0;title\x07red\r\nnext"))).text();
  await fleet.records(1, 0);
  const { lines } = await ran("--data-dir", fleet.gateway.dataDir);
  assert.equal(lines.length, 1);
  // deno-lint-ignore no-control-regex -- exactly these must not be there
  assert.doesNotMatch(lines[0], /[\u0000-\u001f\u007f-\u009f]/);
});

Deno.test("Ctrl-C ends the following properly as soon as anything is seen of it", async () => {
  await using fleet = await startFleet({ count: 1 });
  await (await fleet.chat(say("first"))).text();
  await fleet.records(1, 0);
  for (let turn = 0; turn < 5; turn++) {
    await using child = command("--follow", "--data-dir", fleet.gateway.dataDir);
    await child.waitForOutput(/first/);
    child.signal("SIGINT");
    assert.equal((await child.status).code, 0);
  }
});

Deno.test("logs keeps the lines of two hours in memory, whatever is to be shown: later hours wait", async () => {
  await using folder = await temporaryFolder();
  const hours = new Map<string, string[]>();
  const add = (place: string, id: string, began: string) => {
    const line = JSON.stringify({ id, conversations: [], meta: { started_at: began } });
    hours.set(place, [...hours.get(place) ?? [], line]);
  };
  const hour = (n: number) => hourName(new Date(2026, 0, 31, n));
  const at = (n: number, minute: number) => new Date(2026, 0, 31, n, minute).toISOString();
  // In the order in which they ended.
  add(`requests_responses/${hour(10)}`, "2", at(10, 2));
  add(`requests_responses/${hour(10)}`, "1", at(10, 1));
  add(`incomplete/${hour(11)}`, "5", at(11, 3));
  add(`requests_responses/${hour(11)}`, "3", at(10, 59));
  add(`requests_responses/${hour(11)}`, "4", at(11, 1));
  add(`requests_responses/${hour(12)}`, "6", at(12, 30));
  for (const [place, lines] of hours) {
    const path = join(folder.path, `${place}.jsonl`);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, `${lines.join("\n")}\n`);
  }
  const args = ["--data-dir", folder.path, "--since", "2026-01-01", "--json", "--incomplete"];
  const ids = (lines: string[]) => lines.map((line) => JSON.parse(line).id).join("");
  const all = await ran(...args);
  assert.deepEqual([all.code, ids(all.lines)], [0, "123456"], all.err);
  // What cannot be read comes behind all that is shown before it.
  const damaged = join(folder.path, "requests_responses", `${hour(13)}.jsonl.gz`);
  await Deno.writeTextFile(damaged, "no gzip at all");
  const until = await ran(...args);
  assert.deepEqual([until.code, ids(until.lines)], [1, "12345"], until.err);
});

Deno.test("where there is no record, logs says where it looked, and since when", async () => {
  await using folder = await temporaryFolder();
  const none = await ran("--data-dir", folder.path, "--since", "2026-01-31T12:00", "--incomplete");
  assert.deepEqual([none.code, none.lines], [0, []]);
  const places = `${folder.path}/requests_responses and ${folder.path}/incomplete`;
  assert.equal(
    none.err.trim(),
    `no such record since 2026-01-31 12:00:00 in ${places}; --since looks further back`,
  );
  await using child = command("--follow", "--data-dir", folder.path);
  await child.waitForOutput(/no such record since .*; waiting for new ones/);
  child.signal("SIGINT");
  assert.equal((await child.status).code, 0);
});

Deno.test("an answer that the client left is not shown as a failure", async () => {
  await using fleet = await startFleet({ count: 1, simulate: ["--tokens-per-second", "5"] });
  const leaving = new AbortController();
  const response = await fleet.chat({ ...say("goodbye"), stream: true }, {
    signal: leaving.signal,
  });
  const reader = response.body!.getReader();
  await reader.read();
  leaving.abort();
  await fleet.records(0, 1);
  const { lines } = await ran("--data-dir", fleet.gateway.dataDir, "--errors");
  assert.equal(lines.length, 1);
  assert.match(lines[0], / left: the client left: goodbye/);
  assert.doesNotMatch(lines[0], /FAILED/);
});

Deno.test("logs says what is wrong with its options", async () => {
  const { code, err } = await ran("--since", "yesterday");
  assert.equal(code, 2);
  assert.match(err, /--since: expected a time such as 10m/);
});

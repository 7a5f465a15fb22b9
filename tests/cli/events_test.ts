// `events`, and what a gateway knows of the one before it in the same folder.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, startGateway, startProcess, temporaryFolder } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

async function ran(...args: string[]) {
  await using child = startProcess(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "main.ts"), "events", ...args],
  });
  const { code } = await child.status;
  return { code, out: child.stdout(), err: child.stderr() };
}

Deno.test("events are told from the folder alone, and the next gateway shows them, too", async () => {
  await using folder = await temporaryFolder();
  // Nothing listens there.
  const config = {
    data_dir: folder.path,
    instances: [{ url: "http://127.0.0.1:2000", model_name: "demo", name: "gpu-1" }],
    health_check: { interval: 0.1, path: "/health", timeout: 1 },
  };
  const none = await ran("--data-dir", folder.path);
  assert.equal(none.code, 0);
  assert.match(none.err, /no such event since .* in /);
  {
    await using gateway = await startGateway({ config });
    await waitFor(async () => {
      const { instances } = await (await fetch(`${gateway.url}/health`)).json();
      return instances[0].state === "down";
    }, "gpu-1 to be down");
    await gateway.stop();
  }
  const all = await ran("--data-dir", folder.path);
  assert.match(all.out, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d started gateway: version/m);
  assert.match(all.out, /\d\d:\d\d:\d\d down gpu-1: .*refused/);
  const about = await ran("--data-dir", folder.path, "--problems", "--about", "gpu-1");
  assert.doesNotMatch(about.out, /started/);
  assert.match(about.out, /down gpu-1/);
  const lines = (await ran("--data-dir", folder.path, "--json")).out.trim().split("\n");
  assert.ok(lines.every((line) => typeof JSON.parse(line).time === "string"));
  await using next = await startGateway({ config });
  let events: { id: number; kind: string }[] = [];
  await waitFor(async () => {
    ({ events } = await (await fetch(`${next.url}/dashboard/api/events`)).json());
    return events.filter(({ kind }) => kind === "started").length === 2;
  }, "both starts");
  const kinds = events.map(({ kind }) => kind);
  const isOfBefore = kinds.indexOf("instance_down") < kinds.lastIndexOf("started");
  assert.ok(isOfBefore, `what happened before stands before: ${kinds}`);
  const ids = events.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, "each has an id of its own");
});

// A reader of finished requests that throws harms neither the other readers nor the gateway's own count.

import assert from "node:assert/strict";
import { UsageMemory } from "../../lib/caller/usage/usage_memory.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import { FinishedRequests } from "../../lib/process/finished_requests.ts";
import { Runtime } from "../../lib/process/runtime.ts";
import { Snapshots } from "../../lib/process/snapshots.ts";
import { REPORT } from "../observe/sample_report.ts";
import { waitFor } from "../support/wait.ts";

Deno.test("a reader that throws keeps nobody else from hearing of a request, and it is said", () => {
  const fault = new Error("no");
  const faults: unknown[] = [];
  const heard: string[] = [];
  const finished = new FinishedRequests([
    { request: () => heard.push("first") },
    {
      request() {
        throw fault;
      },
    },
    { request: () => heard.push("last") },
  ], (error) => faults.push(error));
  finished.tell(REPORT, null);
  assert.deepEqual(heard, ["first", "last"]);
  assert.deepEqual(faults, [fault]);
});

Deno.test("a request whose end throws is under way no more", async () => {
  const text = JSON.stringify({
    instances: [{ url: "http://127.0.0.1:8001", model_name: "m" }],
  });
  const loaded = loadConfig("test", text, () => undefined);
  assert.ok(loaded.ok);
  const shared = SharedState.create();
  const snapshots = new Snapshots(loaded.config, new SlotTable(shared), () => false);
  let finished = 0;
  const runtime = new Runtime(snapshots.current, {
    module: "",
    shared,
    usage: UsageMemory.create(),
    now: () => performance.now(),
    onPoolEvent: () => {},
    onFinished() {
      finished++;
      throw new Error("no");
    },
    admin: () => Promise.resolve({ status: 404, headers: [], body: new Uint8Array() }),
    tracing: null,
    onScarce: () => {},
    onModelMissing: () => {},
    onRankRefused: () => {},
    onError: () => {},
  });
  try {
    const { port } = runtime.listen({ hostname: "127.0.0.1", port: 0, reusePort: false });
    const answer = await fetch(`http://127.0.0.1:${port}/nowhere`);
    await answer.body?.cancel();
    assert.equal(answer.status, 404);
    await waitFor(() => finished === 1, "the end of the request");
    await waitFor(() => runtime.running === 0, "nothing under way", 2000);
  } finally {
    await runtime.close();
  }
});

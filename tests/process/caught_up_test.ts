// A configuration is said to be in force once it is: in every worker, however late one of them is.

import assert from "node:assert/strict";
import { UsageMemory } from "../../lib/caller/usage/usage_memory.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import type { IsolateEvents } from "../../lib/process/isolate.ts";
import type { ToWorker } from "../../lib/process/worker_messages.ts";
import { WorkerPool } from "../../lib/process/worker_pool.ts";
import type { Snapshot } from "../../lib/process/snapshots.ts";
import { startGateway } from "../support/processes.ts";
import { completion, startUpstream } from "../e2e/stand.ts";
import { ASK, bearer, makeKey } from "../e2e/access/keyed.ts";

const SNAPSHOT = { config: {}, slots: {}, proxied: [] } as unknown as Snapshot;

/** Isolates that are at once ready, and answer what they are asked when the test says so. */
class Isolates {
  readonly events: IsolateEvents[] = [];
  readonly said: ToWorker["kind"][][] = [];

  make = (_module: string, _name: string, events: IsolateEvents) => {
    const said: ToWorker["kind"][] = [];
    this.events.push(events);
    this.said.push(said);
    queueMicrotask(() => events.said({ kind: "loaded" }));
    return {
      postMessage: ({ kind }: ToWorker) => {
        said.push(kind);
        if (kind === "start") queueMicrotask(() => events.said({ kind: "ready", port: 1 }));
      },
      terminate: () => {},
    };
  };
}

async function startPool(isolates: Isolates, count: number): Promise<WorkerPool> {
  const pool = new WorkerPool({
    module: "",
    make: isolates.make,
    tracing: false,
    count,
    shared: SharedState.create(),
    usage: UsageMemory.create(),
    now: () => performance.now(),
    snapshot: () => SNAPSHOT,
    onFinished: () => {},
    onPoolEvent: () => {},
    onScarce: () => {},
    onModelMissing: () => {},
    onRankRefused: () => {},
    admin: () => Promise.resolve({ status: 404, headers: [], body: new Uint8Array() }),
    onError: () => {},
    onDied: () => {},
    onLeft: () => {},
  });
  await pool.start("127.0.0.1", 0);
  return pool;
}

Deno.test("all workers are waited for, and one that dies is not", async () => {
  const isolates = new Isolates();
  const pool = await startPool(isolates, 3);
  pool.apply(SNAPSHOT);
  let isCaughtUp = false;
  const caughtUp = pool.caughtUp().then(() => isCaughtUp = true);
  for (const said of isolates.said) assert.deepEqual(said, ["start", "apply", "catch_up"]);
  isolates.events[0].said({ kind: "caught_up" });
  isolates.events[1].failed("it dies");
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(isCaughtUp, false);
  isolates.events[2].said({ kind: "caught_up" });
  await caughtUp;
  const others = pool.caughtUp();
  const closed = pool.close();
  for (const { said } of isolates.events) said({ kind: "drained" });
  await closed;
  await others;
});

Deno.test("once a reload is told, a key that it took away is refused by every worker", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const [web, other] = [makeKey("web"), makeKey("other")];
  const config = { instances: [{ url: upstream.url, model_name: "m" }], health_check: false };
  await using gateway = await startGateway({
    config: { ...config, keys: [web.line, other.line] },
    args: ["--workers", "3"],
  });
  const ask = async () => {
    // On a connection of its own: any worker may get it.
    const headers = { ...bearer(web.key).headers, connection: "close" };
    const response = await gateway.post("/v1/chat/completions", ASK, { headers });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await ask(), 200);
  await gateway.writeConfig({ ...config, keys: [other.line] });
  await gateway.process.waitForOutput(/configuration reloaded/);
  const statuses = await Promise.all(Array.from({ length: 30 }, ask));
  assert.deepEqual([...new Set(statuses)], [401]);
});

// Workers that a warden makes, and that die when they come, while they serve, and while they go: what they
// held is released, others are unharmed, and the next one comes in their place.

import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { SlotTable } from "../../lib/pool/slot_table.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import type { Snapshot } from "../../lib/process/snapshots.ts";
import { Warden } from "../../lib/process/workers/warden.ts";
import { WorkerPool } from "../../lib/process/workers/worker_pool.ts";
import { poolParts } from "../support/pool_parts.ts";
import { startSimulators } from "../support/processes.ts";
import { chatText, readSse, type SseAnswer } from "../support/sse.ts";
import { waitFor } from "../support/wait.ts";
import { chatBody } from "./fleet.ts";
import { deathOf } from "./mortal_worker.ts";

const MODULE = new URL("mortal_worker.ts", import.meta.url).href;

/** A pool without workers, in front of a simulated instance; its port is taken by the first. */
async function stand() {
  const simulators = await startSimulators({
    args: ["--tokens-per-second", "8", "--tokens", "40"],
  });
  const text = JSON.stringify({
    instances: simulators.urls.map((url) => ({ url, model_name: "demo" })),
    health_check: false,
    record: { enabled: false },
  });
  const loaded = loadConfig("test", text, () => undefined);
  assert.ok(loaded.ok);
  const { config } = loaded;
  const shared = SharedState.create();
  const slots = new SlotTable(shared).assign(config);
  const healthy: Snapshot = { config, slots, proxied: [], reading: 0 };
  const deadly = (worker: number): Snapshot => ({
    ...healthy,
    config: { ...config, dataDir: deathOf(`worker-${worker}`) },
  });
  const seen = {
    died: [] as string[],
    left: [] as number[],
    errors: [] as string[],
  };
  let snapshot = healthy;
  const warden = new Warden(MODULE);
  const pool = new WorkerPool(poolParts({
    module: MODULE,
    make: warden.make,
    count: 0,
    shared,
    snapshot: () => snapshot,
    onError: (message) => seen.errors.push(message),
    onDied: (worker, message) => seen.died.push(`${worker}: ${message}`),
    onLeft: (worker) => seen.left.push(worker),
  }));
  // A port that is free now: all of them share it.
  using probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = probe.addr;
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  return {
    simulators,
    pool,
    warden,
    seen,
    healthy,
    deadly,
    /** What those that come are to start with. */
    startWith: (next: Snapshot) => snapshot = next,
    add: () => pool.add("127.0.0.1", port),
    inFlight: (worker: number) => {
      const own = new SharedState(shared.buffer, worker);
      return Object.values(slots).reduce((sum, slot) => sum + own.fleet.ownInFlight(slot), 0);
    },
    /** Its head has come. */
    stream: async (): Promise<{ answer: Promise<SseAnswer> }> => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(chatBody({ stream: true, max_tokens: 40 })),
        client,
      });
      assert.equal(response.status, 200);
      return { answer: readSse(response) };
    },
    async [Symbol.asyncDispose]() {
      await pool.close();
      warden.close();
      client.close();
      await simulators[Symbol.asyncDispose]();
    },
  };
}

type Stand = Awaited<ReturnType<typeof stand>>;

/** Streams that are under way, so many at each of these workers at least. */
async function streamsAt({ stream, inFlight }: Stand, workers: number[], each: number) {
  const answers: Promise<SseAnswer>[] = [];
  while (workers.some((worker) => inFlight(worker) < each)) {
    assert.ok(answers.length < 100, "streams come to all workers");
    answers.push((await stream()).answer);
  }
  return answers;
}

async function wholeOf(answers: Promise<SseAnswer>[]): Promise<number> {
  let whole = 0;
  for (const answer of await Promise.all(answers)) {
    if (answer.error === null && answer.done) {
      assert.equal(chatText(answer).finishReason, "length");
      whole++;
    } else assert.ok(!answer.done, "a cut answer has no [DONE]");
  }
  return whole;
}

Deno.test("one that dies while it comes is told, and the next one takes its number", async () => {
  await using one = await stand();
  one.startWith(one.deadly(1));
  await assert.rejects(one.add(), /worker-1 dies on purpose/);
  assert.equal(one.seen.died.length, 1);
  assert.ok(one.pool.isEmpty && !one.pool.isGrowing);
  one.startWith(one.healthy);
  await one.add();
  assert.deepEqual(one.pool.serving.map(({ index }) => index), [1]);
  assert.ok((await (await one.stream()).answer).done);
});

Deno.test("one that dies while it goes takes its own streams with it and nobody else's", async () => {
  await using one = await stand();
  const { pool, seen, inFlight } = one;
  await one.add();
  await one.add();
  const answers = await streamsAt(one, [1, 2], 2);
  // None of them ends before the death.
  one.simulators.process.signal("SIGSTOP");
  const kept = inFlight(2);
  pool.leave(pool.serving.find(({ index }) => index === 1)!);
  assert.equal(pool.isolates, 1);
  pool.apply(one.deadly(1));
  await waitFor(() => seen.died.length === 1, "the death to be noticed");
  assert.equal(inFlight(1), 0, "its leases are released with it");
  one.simulators.process.signal("SIGCONT");
  assert.equal(await wholeOf(answers), kept);
  await waitFor(() => inFlight(2) === 0, "all leases to be released");
  assert.ok(!pool.isShrinking && pool.isolates === 1);
  assert.deepEqual(seen.left, [], "it has not left by itself");
  await one.add();
  assert.deepEqual(pool.serving.map(({ index }) => index).sort(), [1, 2], "its number is free");
  assert.deepEqual(seen.errors, []);
});

Deno.test("moving, draining and closing find one that is still loading", async () => {
  await using one = await stand();
  const coming = one.add();
  coming.catch(() => {});
  assert.ok(one.pool.isGrowing);
  await one.pool.drain();
  await one.pool.close();
  assert.ok(one.pool.isEmpty);
});

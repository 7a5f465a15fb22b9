// A pool of workers whose isolates are played by the test.

import { UsageMemory } from "../../lib/caller/usage/usage_memory.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import type { IsolateEvents } from "../../lib/process/workers/isolate.ts";
import type { Snapshot } from "../../lib/process/snapshots.ts";
import type { ToWorker } from "../../lib/process/workers/messages.ts";
import { WorkerPool, type WorkerPoolParts } from "../../lib/process/workers/worker_pool.ts";

export const SNAPSHOT = { config: {}, slots: {}, proxied: [] } as unknown as Snapshot;

/** Isolates that are at once ready, and answer what they are asked when the test says so. */
export class Isolates {
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

export async function startPool(
  isolates: Isolates,
  count: number,
  more: Partial<WorkerPoolParts> = {},
): Promise<WorkerPool> {
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
    ...more,
  });
  await pool.start("127.0.0.1", 0);
  return pool;
}

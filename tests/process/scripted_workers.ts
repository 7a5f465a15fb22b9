// A pool of workers whose isolates are played by the test.

import type { IsolateEvents } from "../../lib/process/workers/isolate.ts";
import type { Snapshot } from "../../lib/process/snapshots.ts";
import type { ToWorker } from "../../lib/process/workers/messages.ts";
import { WorkerPool, type WorkerPoolParts } from "../../lib/process/workers/worker_pool.ts";
import { poolParts } from "../support/pool_parts.ts";

export const SNAPSHOT = { config: {}, slots: {}, proxied: [], reading: 0 } as unknown as Snapshot;

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
  const { make } = isolates;
  const parts = poolParts({ module: "", make, count, snapshot: () => SNAPSHOT, ...more });
  const pool = new WorkerPool(parts);
  await pool.start("127.0.0.1", 0);
  return pool;
}

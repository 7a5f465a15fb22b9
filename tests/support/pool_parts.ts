// What a pool of workers is made with, where the test says nothing else: nobody hears of anything.

import { UsageMemory } from "../../lib/caller/usage/usage_memory.ts";
import { SharedState } from "../../lib/pool/shared_state.ts";
import type { WorkerPoolParts } from "../../lib/process/workers/worker_pool.ts";

type Own = "module" | "make" | "count" | "snapshot";

export function poolParts(
  own: Pick<WorkerPoolParts, Own> & Partial<WorkerPoolParts>,
): WorkerPoolParts {
  return {
    tracing: false,
    shared: SharedState.create(),
    usage: UsageMemory.create(),
    now: () => performance.now(),
    onFinished() {},
    onPoolEvent() {},
    onScarce() {},
    onModelMissing() {},
    onRankRefused() {},
    admin: () => Promise.resolve({ status: 404, headers: [], body: new Uint8Array() }),
    onError() {},
    onDied() {},
    onLeft() {},
    ...own,
  };
}

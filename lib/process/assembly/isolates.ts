// Who serves: the isolate of this process, and workers as the configuration wants them. All say the same things
// to the same listeners.

import { logger } from "../../observe/log.ts";
import { Tracing } from "../../observe/trace.ts";
import { Runtime, type RuntimeParts } from "../runtime.ts";
import { type Serving, ServingAlone } from "../serving.ts";
import { canBeElastic, elasticRules, ElasticWorkers } from "../workers/elastic_workers.ts";
import { madeHere, type MakeIsolate } from "../workers/isolate.ts";
import { Warden } from "../workers/warden.ts";
import { WorkerPool } from "../workers/worker_pool.ts";
import type { Foundations } from "./foundations.ts";

/** Who hears what a serving isolate has to say. */
export type Listeners = Pick<
  RuntimeParts,
  "onFinished" | "onPoolEvent" | "onScarce" | "onModelMissing" | "onRankRefused" | "admin"
>;

/** `traces`: a compiled executable could at any time, and the environment of each start says whether it does. */
export function isolates(on: Foundations, listeners: Listeners, traces: boolean) {
  const { shared, usage, snapshots } = on;
  const runtime = new Runtime(snapshots.current, {
    ...{ module: Deno.mainModule, shared, usage, ...listeners },
    now: () => performance.now(),
    tracing: traces ? Tracing.open() : null,
    onError: (error) => logger.error("internal error: {error}", { error }),
    onNotice: (message) => logger.info("{message}", { message }),
  });
  snapshots.join(runtime);
  return { runtime, serving: serving(on, runtime, listeners, traces) };
}

function serving(
  on: Foundations,
  runtime: Runtime,
  listeners: Listeners,
  traces: boolean,
): Serving {
  const { snapshots, bulletin } = on;
  const { workers } = snapshots.config;
  if (workers === "auto" && canBeElastic(snapshots.config)) {
    const warden = new Warden(Deno.mainModule);
    return new ElasticWorkers({
      runtime,
      pool: workerPool(on, listeners, traces, 0, warden.make),
      warden,
      rules: () => elasticRules(snapshots.config),
      now: () => performance.now(),
      onChange: (message) => {
        logger.info("{message}", { message });
        bulletin.note("workers", "gateway", message);
      },
    });
  }
  const count = workers === "auto" ? 1 : workers;
  return count > 1 ? workerPool(on, listeners, traces, count, madeHere) : new ServingAlone(runtime);
}

function workerPool(
  { shared, usage, snapshots, bulletin }: Foundations,
  listeners: Listeners,
  tracing: boolean,
  count: number,
  make: MakeIsolate,
): WorkerPool {
  const pool = new WorkerPool({
    ...{ module: Deno.mainModule, make, tracing, count, shared, usage, ...listeners },
    now: () => performance.now(),
    snapshot: () => snapshots.current,
    onError: (message) => logger.error("internal error in a worker: {message}", { message }),
    onNotice: (message) => logger.info("{message}", { message }),
    onDied: (worker, message) =>
      bulletin.raise(
        "worker_died",
        `worker-${worker}`,
        `${message}; it is replaced${count > 0 ? "" : " when it is needed"}`,
      ),
    onLeft: (worker) => logger.info("worker-{worker}: its last answer is out", { worker }),
  });
  snapshots.join(pool);
  return pool;
}

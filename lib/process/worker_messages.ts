// What the main isolate and its workers say to each other. Everything in it can be cloned or
// transferred.

import type { AdminRequest } from "../http/admin.ts";
import type { PoolEvent } from "../pool/outlier.ts";
import type { Snapshot } from "./snapshots.ts";
import type { SentReport } from "./worker_reports.ts";

export type ToWorker =
  | Snapshot & {
    kind: "start";
    buffer: SharedArrayBuffer;
    worker: number;
    /** The main isolate's clock when this was sent, in milliseconds. */
    now: number;
    hostname: string;
    port: number;
    /** Whether requests are traced, where the runtime can. */
    tracing: boolean;
  }
  | Snapshot & { kind: "apply" }
  | { kind: "drain" }
  | { kind: "hand_over" }
  /** Cut what is under way; answered by `drained` as well. */
  | { kind: "close" };

export type FromWorker =
  /** Its modules are there: now it can be started without delay. */
  | { kind: "loaded" }
  | { kind: "ready"; port: number }
  | { kind: "failed"; message: string }
  | { kind: "finished"; batch: SentReport[] }
  | { kind: "pool_event"; event: PoolEvent }
  /** To be answered through `port` (admin_relay.ts). */
  | { kind: "admin"; request: AdminRequest; port: MessagePort }
  | { kind: "error"; message: string }
  | { kind: "drained" };

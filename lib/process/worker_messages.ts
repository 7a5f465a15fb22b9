// What the main isolate and its workers say to each other. Everything in it can be cloned or
// transferred.

import type { AdminRequest } from "../http/admin.ts";
import type { Config } from "../config/config.ts";
import type { RequestLine } from "../observe/log.ts";
import type { PoolEvent } from "../pool/outlier.ts";
import type { Capture } from "../record/capture.ts";
import type { PackedEvents } from "../sse/event_store.ts";
import type { Incident, Note } from "../server/accounting.ts";

/** A capture whose events are packed. */
export interface PackedCapture {
  capture: Omit<Capture, "response">;
  body: Uint8Array | null;
  events: PackedEvents | null;
}

/** One finished request, as the main isolate needs it. */
export interface FinishedMessage {
  line: RequestLine;
  capture: PackedCapture | null;
  incident: Incident | null;
  notes: Note[];
}

export type ToWorker =
  | {
    kind: "start";
    config: Config;
    slots: Readonly<Record<string, number>>;
    buffer: SharedArrayBuffer;
    worker: number;
    /** The main isolate's clock when this was sent, in milliseconds. */
    now: number;
    hostname: string;
    port: number;
    /** Whether requests are traced, where the runtime can. */
    tracing: boolean;
    /** Origins of the configuration that the environment sends through a proxy. */
    proxied: readonly string[];
  }
  | {
    kind: "apply";
    config: Config;
    slots: Readonly<Record<string, number>>;
    proxied: readonly string[];
  }
  | { kind: "drain" }
  | { kind: "hand_over" }
  /** Cut what is under way; answered by `drained` as well. */
  | { kind: "close" };

export type FromWorker =
  /** Its modules are there: now it can be started without delay. */
  | { kind: "loaded" }
  | { kind: "ready"; port: number }
  | { kind: "failed"; message: string }
  | { kind: "finished"; batch: FinishedMessage[] }
  | { kind: "pool_event"; event: PoolEvent }
  /** To be answered through `port` (admin_relay.ts). */
  | { kind: "admin"; request: AdminRequest; port: MessagePort }
  | { kind: "error"; message: string }
  | { kind: "drained" };

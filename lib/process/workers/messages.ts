// What the main isolate and its workers say to each other. Everything in it can be cloned or
// transferred.

import type { Moved } from "../../forward/moving.ts";
import type { AdminRequest } from "../../http/admin.ts";
import type { Scarce } from "../../machine/scarcity.ts";
import type { PoolEvent } from "../../pool/outlier.ts";
import type { Snapshot } from "../snapshots.ts";
import type { SentReport } from "./reports.ts";

export type ToWorker =
  | Snapshot & {
    kind: "start";
    /** The program, with which isolates begin. */
    module: string;
    buffer: SharedArrayBuffer;
    /** What callers have used. */
    usage: SharedArrayBuffer;
    worker: number;
    /** The main isolate's clock when this was sent, in milliseconds. */
    now: number;
    hostname: string;
    port: number;
    /** Whether requests are traced, where the runtime can. */
    tracing: boolean;
  }
  | Snapshot & { kind: "apply" }
  /** Answered by `caught_up` once the snapshot that was said last is in force. */
  | { kind: "catch_up" }
  /** What runs at this instance goes on elsewhere; answered by `moved`. */
  | { kind: "move"; instance: string }
  /** Answered by `busy`. */
  | { kind: "look" }
  /** Another worker has joined, and clients that are here already are to come to it, too. */
  | { kind: "spread" }
  /** Take no more clients; answered by `left` when all of them have their answers. */
  | { kind: "leave" }
  /** Answered by `drained`, as are the other ways to end; `close` cuts what is under way. */
  | { kind: EndKind };

export type EndKind = "drain" | "hand_over" | "close";

export type FromWorker =
  /** Its modules are there: now it can be started without delay. */
  | { kind: "loaded" }
  | { kind: "ready"; port: number }
  | { kind: "failed"; message: string }
  | { kind: "finished"; batch: SentReport[] }
  | { kind: "pool_event"; event: PoolEvent }
  /** The system has refused a connection for want of this. */
  | { kind: "scarce"; what: Scarce }
  /** The id of an instance that lacks a model; null for a model that nobody is known for. */
  | { kind: "model_missing"; instance: string | null }
  /** The instance of this id refuses one of its data-parallel ranks, which are so many. */
  | { kind: "rank_refused"; instance: string; ranks: number }
  /** To be answered through `port` (admin_relay.ts). */
  | { kind: "admin"; request: AdminRequest; port: MessagePort }
  | { kind: "caught_up"; problems: readonly string[] }
  | { kind: "moved"; moved: Moved }
  /** The share of its time, 0 to 1, that it was at work since the last look; requests under way. */
  | { kind: "busy"; share: number; running: number }
  | { kind: "error"; message: string }
  /** No fault. */
  | { kind: "notice"; message: string }
  /** What it was told to do has ended: a drain that a close has cut may come to its end after that. */
  | { kind: "drained"; by: EndKind }
  /** The last that is heard of it. */
  | { kind: "left" };

// The workers of one process: started one after the other on one port, replaced when they die, told of
// each new configuration, drained together.

import type { AdminHandler } from "../http/admin.ts";
import type { Report } from "../observe/report.ts";
import type { PoolEvent } from "../pool/outlier.ts";
import type { SharedState } from "../pool/shared_state.ts";
import type { Content } from "../record/capture.ts";
import { serveAdmin } from "./admin_relay.ts";
import type { Reloadable, Snapshot } from "./snapshots.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";
import { unpacked } from "./worker_reports.ts";

/** A worker that dies at once is not replaced in a tight loop. */
const RESTART_MS = 500;
/** A worker that does not answer any more is ended all the same. */
const CLOSE_MS = 2000;

export interface WorkerPoolParts {
  /** The module whose isolates become workers (main.ts). */
  module: string;
  count: number;
  tracing: boolean;
  shared: SharedState;
  now(): number;
  /** In force when a worker starts. */
  snapshot(): Snapshot;
  onFinished(report: Report, content: Content | null): void;
  onPoolEvent(event: PoolEvent): void;
  admin: AdminHandler;
  onError(message: string): void;
  onDied(worker: number, message: string): void;
}

export class WorkerPool implements Reloadable {
  readonly #workers = new Map<number, Worker>();
  readonly #drained = new Map<number, () => void>();
  #address = { hostname: "", port: 0 };
  #closing = false;

  constructor(private readonly parts: WorkerPoolParts) {}

  /** Starts all workers; resolves to the port. Throws when the first cannot listen. */
  async start(hostname: string, port: number): Promise<number> {
    this.#address = { hostname, port };
    for (let index = 1; index <= this.parts.count; index++) {
      this.#address.port = await this.#startOne(index);
    }
    return this.#address.port;
  }

  apply(snapshot: Snapshot): void {
    const message: ToWorker = { kind: "apply", ...snapshot };
    for (const worker of this.#workers.values()) worker.postMessage(message);
  }

  /** Lets running answers end in all workers; none closes its door before `close`. */
  async drain(): Promise<void> {
    await this.#endAll("drain");
  }

  /** Closes the door at once, another process has taken over; running answers end. */
  async handOver(): Promise<void> {
    await this.#endAll("hand_over");
  }

  /** Cuts what is under way, takes what is to be recorded of it, and ends the workers. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#drained.forEach((resolve) => resolve()), CLOSE_MS);
    await this.#endAll("close");
    clearTimeout(timer);
    for (const worker of this.#workers.values()) worker.terminate();
    this.#workers.clear();
  }

  async #endAll(kind: "drain" | "hand_over" | "close"): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#workers].map(([index, worker]) =>
      new Promise<void>((resolve) => {
        this.#drained.set(index, resolve);
        worker.postMessage({ kind } satisfies ToWorker);
      })
    ));
  }

  #startOne(index: number): Promise<number> {
    const worker = new Worker(this.parts.module, { type: "module", name: `worker-${index}` });
    this.#workers.set(index, worker);
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        // Not before: the clock that goes with it would be late by the time that loading takes.
        if (data.kind === "loaded") {
          if (this.#closing) this.#drained.get(index)?.();
          else worker.postMessage(this.#startMessage(index));
        } else if (data.kind === "ready") resolve(data.port);
        else if (data.kind === "failed") reject(new Error(data.message));
        else this.#take(index, data);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
        this.#died(index, worker, event.message);
      };
    });
  }

  #startMessage(index: number): ToWorker {
    return {
      kind: "start",
      ...this.parts.snapshot(),
      ...this.#address,
      buffer: this.parts.shared.buffer,
      worker: index,
      tracing: this.parts.tracing,
      now: this.parts.now(),
    };
  }

  #take(index: number, message: FromWorker): void {
    switch (message.kind) {
      case "finished":
        for (const { report, content } of message.batch) {
          this.parts.onFinished(report, unpacked(content));
        }
        return;
      case "pool_event":
        return this.parts.onPoolEvent(message.event);
      case "error":
        return this.parts.onError(message.message);
      case "admin":
        serveAdmin(message.request, message.port, this.parts.admin, this.parts.onError);
        return;
      case "drained":
        this.#drained.get(index)?.();
        return;
    }
  }

  /** Its leases are released at once; its clients' connections are gone with it, the others' are not. */
  #died(index: number, worker: Worker, message: string): void {
    if (this.#workers.get(index) !== worker) return;
    worker.terminate();
    this.#workers.delete(index);
    this.parts.shared.dropWorker(index);
    this.#drained.get(index)?.();
    if (this.#closing) return;
    this.parts.onDied(index, message);
    setTimeout(() => {
      if (this.#closing) return;
      this.#startOne(index).catch((error) => {
        this.parts.onError(String(error));
        const failed = this.#workers.get(index);
        if (failed !== undefined) this.#died(index, failed, String(error));
      });
    }, RESTART_MS);
  }
}

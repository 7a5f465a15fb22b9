// One serving worker: a Runtime of its own on the shared port, everything that must stay in one place
// sent to the main isolate in batches.

import { Tracing } from "../observe/trace.ts";
import { SharedState } from "../pool/shared_state.ts";
import { EventStore } from "../sse/event_store.ts";
import { relayedAdmin } from "./admin_relay.ts";
import { captureOf, incidentOf, notesOf, requestLine } from "../server/accounting.ts";
import type { Finished } from "../server/gateway.ts";
import { Runtime } from "./runtime.ts";
import type { FinishedMessage, FromWorker, PackedCapture, ToWorker } from "./worker_messages.ts";

const BATCH_MS = 20;

/** The part of a worker's global scope that is used here. */
export interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
}

/** Makes the isolate that `scope` belongs to a serving worker. */
export function runWorker(scope: WorkerScope): void {
  let worker: ServingWorker | null = null;
  scope.onmessage = ({ data }) => {
    if (data.kind === "start") worker = new ServingWorker(scope, data);
    else worker?.take(data);
  };
  scope.postMessage({ kind: "loaded" });
}

class ServingWorker {
  readonly #runtime: Runtime;
  #proxied: ReadonlySet<string>;
  #fallbacks: ReadonlySet<string>;
  #batch: FinishedMessage[] = [];
  #transfer: Transferable[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly scope: WorkerScope, start: ToWorker & { kind: "start" }) {
    const behind = start.now - performance.now();
    this.#proxied = new Set(start.proxied);
    this.#fallbacks = fallbackNames(start.config);
    this.#runtime = new Runtime(start.config, start.slots, {
      shared: new SharedState(start.buffer, start.worker),
      now: () => performance.now() + behind,
      proxied: (origin) => this.#proxied.has(origin),
      onPoolEvent: (event) => scope.postMessage({ kind: "pool_event", event }),
      onFinished: (finished) => this.#finished(finished),
      admin: relayedAdmin((request, port) =>
        scope.postMessage({ kind: "admin", request, port }, [port])
      ),
      tracing: start.tracing ? Tracing.open() : null,
      onError: (error) =>
        scope.postMessage({
          kind: "error",
          message: error instanceof Error ? error.stack ?? error.message : String(error),
        }),
    });
    try {
      const { hostname, port } = start;
      const listener = this.#runtime.listen({ hostname, port, reusePort: true });
      scope.postMessage({ kind: "ready", port: listener.port });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      scope.postMessage({ kind: "failed", message });
    }
  }

  take(message: ToWorker): void {
    switch (message.kind) {
      case "apply":
        this.#proxied = new Set(message.proxied);
        this.#fallbacks = fallbackNames(message.config);
        this.#runtime.apply(message.config, message.slots);
        return;
      case "drain":
        this.#end(this.#runtime.drain());
        return;
      case "hand_over":
        this.#end(this.#runtime.handOver());
        return;
      case "close":
        this.#end(this.#runtime.close());
        return;
    }
  }

  async #end(ended: Promise<void>): Promise<void> {
    await ended;
    this.#flush();
    this.scope.postMessage({ kind: "drained" });
  }

  #finished(finished: Finished): void {
    const now = performance.now();
    const capture = this.#runtime.config.record.enabled ? captureOf(finished, now) : null;
    this.#batch.push({
      line: requestLine(finished, now),
      capture: capture === null ? null : this.#pack(capture),
      incident: incidentOf(finished, this.#fallbacks),
      notes: notesOf(finished),
    });
    if (this.#timer === null) this.#timer = setTimeout(() => this.#flush(), BATCH_MS);
  }

  #pack(capture: NonNullable<ReturnType<typeof captureOf>>): PackedCapture {
    const { response, ...rest } = capture;
    // A piece of a slab would take the whole slab with it.
    const requestBody = rest.requestBody.slice();
    rest.requestBody = requestBody;
    this.#transfer.push(requestBody.buffer);
    if (response instanceof EventStore) {
      const events = response.pack();
      this.#transfer.push(events.data.buffer);
      return { capture: rest, body: null, events };
    }
    return { capture: rest, body: response?.slice() ?? null, events: null };
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#batch.length === 0) return;
    this.scope.postMessage({ kind: "finished", batch: this.#batch }, this.#transfer);
    this.#batch = [];
    this.#transfer = [];
  }
}

function fallbackNames(config: { instances: readonly { fallback: boolean; name: string }[] }) {
  return new Set(config.instances.filter((i) => i.fallback).map((i) => i.name));
}

// One serving worker: a Runtime of its own on the shared port, everything that must stay in one place
// sent to the main isolate.

import { Tracing } from "../observe/trace.ts";
import { SharedState } from "../pool/shared_state.ts";
import { relayedAdmin } from "./admin_relay.ts";
import { Runtime } from "./runtime.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";
import { ReportBatches } from "./worker_reports.ts";

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
  readonly #reports: ReportBatches;

  constructor(private readonly scope: WorkerScope, start: ToWorker & { kind: "start" }) {
    const behind = start.now - performance.now();
    const reports = this.#reports = new ReportBatches((batch, transfer) =>
      scope.postMessage({ kind: "finished", batch }, transfer)
    );
    this.#runtime = new Runtime(start, {
      shared: new SharedState(start.buffer, start.worker),
      now: () => performance.now() + behind,
      onPoolEvent: (event) => scope.postMessage({ kind: "pool_event", event }),
      onFinished: (report, content) => reports.add(report, content),
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
        return this.#runtime.apply(message);
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
    this.#reports.flush();
    this.scope.postMessage({ kind: "drained" });
  }
}

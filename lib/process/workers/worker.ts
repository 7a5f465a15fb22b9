// One serving worker: a Runtime of its own on the shared port, everything that must stay in one place
// sent to the main isolate.

import { UsageMemory } from "../../caller/usage/usage_memory.ts";
import { Tracing } from "../../observe/trace.ts";
import { SharedState } from "../../pool/shared_state.ts";
import { AdminRelay } from "./admin_relay.ts";
import { BusyMeter } from "../../machine/busy_meter.ts";
import { Runtime } from "../runtime.ts";
import type { Introduction } from "./warden_isolate.ts";
import type { EndKind, FromWorker, ToWorker } from "./messages.ts";
import { ReportBatches } from "./reports.ts";

/** The part of a worker's global scope, or of a port, that is used here. */
export interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker | Introduction>) => void) | null;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
}

/** Makes the isolate that `scope` belongs to a serving worker; it talks to the one that has made it. */
export function runWorker(scope: WorkerScope): void {
  let worker: ServingWorker | null = null;
  scope.onmessage = ({ data }) => {
    // A warden has made it, for the isolate behind the port.
    if (data.kind === "talk") runWorker(data.port);
    else if (data.kind === "start") worker = new ServingWorker(scope, data);
    else worker?.take(data);
  };
  scope.postMessage({ kind: "loaded" });
}

class ServingWorker {
  readonly #runtime: Runtime;
  readonly #reports: ReportBatches;
  readonly #relay: AdminRelay;
  /** Only where somebody looks. */
  #meter: BusyMeter | null = null;

  constructor(private readonly scope: WorkerScope, start: ToWorker & { kind: "start" }) {
    const behind = start.now - performance.now();
    const reports = this.#reports = new ReportBatches((batch, transfer) =>
      scope.postMessage({ kind: "finished", batch }, transfer)
    );
    const relay = this.#relay = new AdminRelay((request, port) =>
      scope.postMessage({ kind: "admin", request, port }, [port])
    );
    this.#runtime = new Runtime(start, {
      module: start.module,
      shared: new SharedState(start.buffer, start.worker),
      usage: new UsageMemory(start.usage, start.worker),
      now: () => performance.now() + behind,
      onPoolEvent: (event) => scope.postMessage({ kind: "pool_event", event }),
      onFinished: (report, content) => reports.add(report, content),
      admin: relay.handle,
      tracing: start.tracing ? Tracing.open() : null,
      onScarce: (what) => scope.postMessage({ kind: "scarce", what }),
      onModelMissing: (instance) => scope.postMessage({ kind: "model_missing", instance }),
      onRankRefused: (instance, ranks) =>
        scope.postMessage({ kind: "rank_refused", instance, ranks }),
      onNotice: (message) => scope.postMessage({ kind: "notice", message }),
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
      case "catch_up":
        this.#runtime.caughtUp().then((problems) =>
          this.scope.postMessage({ kind: "caught_up", problems })
        );
        return;
      case "move":
        this.scope.postMessage({ kind: "moved", moved: this.#runtime.move(message.instance) });
        return;
      case "look": {
        this.#meter ??= new BusyMeter();
        const share = this.#meter.share();
        this.scope.postMessage({ kind: "busy", share, running: this.#runtime.running });
        return;
      }
      case "spread":
        return this.#runtime.spread();
      case "leave":
        this.#leave();
        return;
      case "drain":
        this.#end("drain", this.#runtime.drain());
        return;
      case "hand_over":
        this.#end("hand_over", this.#runtime.handOver());
        return;
      case "close":
        this.#end("close", this.#runtime.close());
        return;
    }
  }

  async #end(by: EndKind, ended: Promise<void>): Promise<void> {
    await ended;
    this.#reports.flush();
    this.scope.postMessage({ kind: "drained", by });
  }

  async #leave(): Promise<void> {
    await this.#runtime.leave();
    this.#relay.endStreams();
    await this.#runtime.left();
    await this.#runtime.close();
    this.#reports.flush();
    this.scope.postMessage({ kind: "left" });
  }
}

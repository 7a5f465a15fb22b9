// The isolate that makes workers (warden.ts): it serves nobody, so that nobody waits while it does.

import type { FromWarden, ToWarden } from "./warden.ts";

/** The part of its global scope that is used here. */
export interface WardenScope {
  onmessage: ((event: MessageEvent<ToWarden>) => void) | null;
  postMessage(message: FromWarden): void;
}

/** What a worker is told first by the isolate that has made it: whom it is to talk to. */
export interface Introduction {
  readonly kind: "talk";
  readonly port: MessagePort;
}

/** Makes the isolate that `scope` belongs to a warden. */
export function runWarden(scope: WardenScope): void {
  const made = new Map<number, Worker>();
  const make = ({ id, module, name, port }: ToWarden & { kind: "make" }) => {
    let worker: Worker;
    try {
      worker = new Worker(module, { type: "module", name });
    } catch (error) {
      // No thread can be made: that costs none of those that are there.
      port.close();
      scope.postMessage({ kind: "failed", id, message: String(error) });
      return;
    }
    made.set(id, worker);
    worker.onerror = (event) => {
      event.preventDefault();
      made.delete(id);
      worker.terminate();
      scope.postMessage({ kind: "failed", id, message: event.message });
    };
    worker.postMessage({ kind: "talk", port } satisfies Introduction, [port]);
  };
  scope.onmessage = ({ data }) => {
    if (data.kind === "make") return make(data);
    made.get(data.id)?.terminate();
    made.delete(data.id);
  };
}

// A serving worker as main.ts makes it, which can be made to die: the test's configuration names the
// worker that throws an error that nobody catches.

import { WARDEN } from "../../lib/process/workers/warden.ts";
import { runWarden, type WardenScope } from "../../lib/process/workers/warden_isolate.ts";
import { runWorker, type WorkerScope } from "../../lib/process/workers/worker.ts";

/** `dataDir` of the configuration that ends the worker with this name. */
export const deathOf = (name: string) => `/nowhere/death-of-${name}`;

if ("WorkerGlobalScope" in globalThis) {
  const { name } = globalThis as unknown as { name: string };
  const scope = globalThis as unknown as WorkerScope;
  if (name === WARDEN) runWarden(globalThis as unknown as WardenScope);
  else {
    runWorker(scope);
    makeMortal(scope, name);
  }
}

function makeMortal(scope: WorkerScope, name: string): void {
  const take = scope.onmessage!;
  scope.onmessage = (event) => {
    const message = event.data;
    const isToStartOrReload = message.kind === "apply" || message.kind === "start";
    if (isToStartOrReload && message.config.dataDir === deathOf(name)) {
      throw new Error(`${name} dies on purpose`);
    }
    take(event);
    // From now on it is told by this port.
    if (message.kind === "talk") makeMortal(message.port, name);
  };
}

// A serving worker as main.ts makes it, which can be made to die: the test's configuration names the
// worker that throws an error that nobody catches.

import { runWorker, type WorkerScope } from "../../lib/process/worker.ts";

/** `dataDir` of the configuration that ends the worker with this name. */
export const deathOf = (name: string) => `/nowhere/death-of-${name}`;

if ("WorkerGlobalScope" in globalThis) {
  const { name } = globalThis as unknown as { name: string };
  const scope = globalThis as unknown as WorkerScope;
  runWorker(scope);
  const take = scope.onmessage!;
  scope.onmessage = (event) => {
    const message = event.data;
    if (message.kind === "apply" && message.config.dataDir === deathOf(name)) {
      throw new Error(`${name} dies on purpose`);
    }
    take(event);
  };
}

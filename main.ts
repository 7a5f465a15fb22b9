// Arguments to command, nothing else. As a worker of a serving process it is one of its isolates.

import { commands, main } from "./lib/cli/main.ts";
import { runWorker, type WorkerScope } from "./lib/process/worker.ts";
import { runShaper, SHAPER, type ShaperScope } from "./lib/record/shape/worker.ts";

if ("WorkerGlobalScope" in globalThis) {
  const scope = globalThis as unknown as { name: string } & (WorkerScope | ShaperScope);
  if (scope.name === SHAPER) runShaper(scope as ShaperScope);
  else runWorker(scope as WorkerScope);
} else {
  Deno.exitCode = await main(Deno.args, commands);
  // Whatever a command has left open must not keep a finished process alive.
  Deno.exit();
}

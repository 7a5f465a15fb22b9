// The program, with workers that can be made to die: a reload that sets `keepalive` to DEADLY_S and n makes
// worker n throw an error that nobody catches.

import type { WorkerScope } from "../../lib/process/workers/worker.ts";
import { DEADLY_S } from "./deadly.ts";

// In the process itself it does not come back from here.
await import("../../main.ts");

const { name } = globalThis as unknown as { name: string };
if (name.startsWith("worker-")) {
  const scope = globalThis as unknown as WorkerScope;
  const take = scope.onmessage!;
  scope.onmessage = (event) => {
    const message = event.data;
    const number = message.kind === "apply" ? message.config.keepaliveS - DEADLY_S : 0;
    if (name === `worker-${number}`) throw new Error(`${name} dies on purpose`);
    take(event);
  };
}

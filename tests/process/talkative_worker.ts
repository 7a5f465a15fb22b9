// A worker that says a lot and dies at once, made by a warden.

import { WARDEN } from "../../lib/process/workers/warden.ts";
import {
  type Introduction,
  runWarden,
  type WardenScope,
} from "../../lib/process/workers/warden_isolate.ts";

/** So many errors are told before its death. */
export const SAID = 3000;

if ("WorkerGlobalScope" in globalThis) {
  const scope = globalThis as unknown as WardenScope & { name: string };
  if (scope.name === WARDEN) runWarden(scope);
  else {
    globalThis.addEventListener("message", (event) => {
      const { port } = (event as MessageEvent<Introduction>).data;
      for (let k = 0; k < SAID; k++) port.postMessage({ kind: "error", message: `${k}` });
      throw new Error("it dies on purpose");
    });
  }
}

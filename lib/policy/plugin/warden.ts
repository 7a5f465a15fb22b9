// Stands between the isolate that serves and a plugin's, and makes the plugin's anew after an overrun. Making
// an isolate holds up the one that asks for it, for a tenth of a second on a busy machine: here that is
// nobody who has a client.

import { type FromPlugin, isOverrun, PLUGIN, type PluginScope, type ToPlugin } from "./worker.ts";

/** An isolate that does not answer a call for so long after its time does not come back from it. */
const STUCK_MS = 5000;

/** Makes the isolate that `scope` belongs to the warden of one plugin. */
export function runWarden(scope: PluginScope): void {
  let isolate: Worker | null = null;
  let source: (ToPlugin & { kind: "load" }) | null = null;
  let isLoaded = false;
  let waiting: ToPlugin[] = [];
  let stuck: ReturnType<typeof setTimeout> | undefined;
  const renew = () => {
    clearTimeout(stuck);
    stuck = undefined;
    isolate?.terminate();
    isolate = null;
    if (source === null) return;
    isLoaded = false;
    const next = isolate = new Worker(source.module, { type: "module", name: PLUGIN });
    next.onmessage = ({ data }: MessageEvent<FromPlugin>) => {
      if (next === isolate) take(data);
    };
    next.onerror = (event) => {
      event.preventDefault();
      scope.postMessage({ kind: "failed", fault: "error", message: event.message });
    };
    next.postMessage(source);
  };
  const ask = (message: ToPlugin) => {
    isolate?.postMessage(message);
    if (message.kind !== "call" || stuck !== undefined) return;
    stuck = setTimeout(renew, message.timeoutMs + STUCK_MS);
  };
  const take = (data: FromPlugin) => {
    clearTimeout(stuck);
    stuck = undefined;
    scope.postMessage(data);
    if (data.kind === "loaded") {
      isLoaded = true;
      for (const message of waiting) ask(message);
      waiting = [];
    }
    if (data.kind === "fault" && isOverrun(data.fault)) renew();
  };
  scope.onmessage = ({ data }) => {
    if (data.kind === "load") {
      source = data;
      renew();
    } else if (isLoaded) ask(data);
    else waiting.push(data);
  };
}

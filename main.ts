// Arguments to command, nothing else. As a worker of a serving process it is one of its isolates. What
// the others need is not loaded.

if ("WorkerGlobalScope" in globalThis) {
  const scope = globalThis as unknown as Scope;
  // An isolate gets its messages from its first turn on, and what nobody listens to is lost: those that come
  // while the reader is loaded are kept for it.
  const early: MessageEvent[] = [];
  scope.onmessage = (event) => early.push(event);
  (await role(scope.name))(scope);
  for (const event of early) scope.onmessage(event);
} else {
  const { commands, main } = await import("./lib/cli/main.ts");
  Deno.exitCode = await main(Deno.args, commands);
  // Whatever a command has left open must not keep a finished process alive.
  Deno.exit();
}

interface Scope {
  readonly name: string;
  onmessage: (event: MessageEvent) => void;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

/** What an isolate with this name runs. Plugins' are made anew after each overrun, and load nothing else. */
async function role(name: string): Promise<(scope: Scope) => void> {
  switch (name) {
    case "plugin":
      return (await import("./lib/policy/plugin/worker.ts")).runPlugin;
    case "plugin_warden":
      return (await import("./lib/policy/plugin/warden.ts")).runWarden;
    case "worker_warden":
      return (await import("./lib/process/workers/warden_isolate.ts")).runWarden;
    case "record-shaper":
      return (await import("./lib/record/shape/worker.ts")).runShaper;
    default:
      return (await import("./lib/process/workers/worker.ts")).runWorker;
  }
}

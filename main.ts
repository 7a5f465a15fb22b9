// Arguments to command, nothing else. As a worker of a serving process it is one of its isolates. What
// the others need is not loaded.

if ("WorkerGlobalScope" in globalThis) {
  const [{ runWorker }, { runShaper, SHAPER }] = await Promise.all([
    import("./lib/process/worker.ts"),
    import("./lib/record/shape/worker.ts"),
  ]);
  const scope = globalThis as unknown as
    & { name: string }
    & Parameters<typeof runWorker>[0]
    & Parameters<typeof runShaper>[0];
  if (scope.name === SHAPER) runShaper(scope);
  else runWorker(scope);
} else {
  const { commands, main } = await import("./lib/cli/main.ts");
  Deno.exitCode = await main(Deno.args, commands);
  // Whatever a command has left open must not keep a finished process alive.
  Deno.exit();
}

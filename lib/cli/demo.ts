// The `demo` command: ten seconds in which an instance is killed and its answer goes on.

import { command } from "./command/command.ts";

export const demo = command({
  name: "demo",
  summary: "kills an instance in the middle of an answer, which goes on: ten seconds",
  about:
    `Starts two simulated vLLM instances and the gateway, on free ports, and asks for a stream. In its
middle the instance that answers is killed: its connections break off and its port is closed. The
answer goes on from the other instance, and is then compared with the one that an instance gives
directly. Nothing is written to disk.`,
  flags: {},
  examples: ["simple-ai-gateway demo"],
}, async () => {
  const { runDemo } = await import("./demo/run.ts");
  const encoder = new TextEncoder();
  return await runDemo({
    colours: Deno.stdout.isTerminal() && Deno.env.get("NO_COLOR") === undefined,
    // Slow enough to be read, and over in ten seconds.
    tokensPerSecond: 24,
    write: (text) => void Deno.stdout.writeSync(encoder.encode(text)),
  });
});

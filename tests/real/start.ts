// Starts the real model as a process for a test. What it answers is left to server.ts.

import { fileURLToPath } from "node:url";
import { installEngine } from "./engine.ts";

/** A running server with the real model; disposing it kills the process. */
export interface RealModel extends AsyncDisposable {
  /** Base URL without a path. */
  readonly url: string;
  readonly pid: number;
  /** The name it answers to. */
  readonly model: string;
}

export interface RealModelOptions {
  model?: string;
  /** Milliseconds before each token; the model itself takes about 1 ms. */
  paceMs?: number;
}

/**
 * Installs the engine if need be and starts one server. Throws where `unsupported()` of engine.ts
 * gives a reason, so ask it first.
 */
export async function startRealModel(options: RealModelOptions = {}): Promise<RealModel> {
  const engine = await installEngine();
  if ("missing" in engine) throw new Error(`no engine for the real model: ${engine.missing}`);
  const model = options.model ?? "tiny";
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-config",
      "--no-lock",
      // Lets the engine's own imports resolve in the folder where npm installed it.
      "--node-modules-dir=manual",
      // `request.signal` then means a client that left, and nothing else.
      "--unstable-no-legacy-abort",
      fileURLToPath(new URL("./server.ts", import.meta.url)),
      "--engine",
      engine.folder,
      "--model",
      fileURLToPath(new URL("./tiny.gguf", import.meta.url)),
      "--name",
      model,
      "--pace",
      String(options.paceMs ?? 0),
    ],
    env: { DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let line = "";
  while (!line.includes("\n")) {
    const { value, done } = await output.read();
    if (done) throw new Error(`the real model's server ended: ${(await child.status).code}`);
    line += value;
  }
  const { port } = JSON.parse(line) as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    model,
    async [Symbol.asyncDispose]() {
      await output.cancel();
      try {
        child.kill("SIGKILL");
      } catch (error) {
        // A test may have killed it before.
        if (!(error instanceof TypeError)) throw error;
      }
      await child.status;
    },
  };
}

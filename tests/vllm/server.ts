// Real vLLM servers: started with the tiny model, waited for, signalled, and gone with everything that
// they started.

import { join } from "node:path";
import { processTree } from "../bench/process_tree.ts";
import { type ChildProcess, startProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { environment } from "./install.ts";
import { freePort } from "../support/ports.ts";

/** The name under which the model is served. */
export const MODEL = "tiny";

/** A running vLLM. Disposing it kills it and its children. */
export interface Server extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly port: number;
  readonly origin: string;
  /** Sends a signal to the API server, or to its engine process. */
  signal(signal: Deno.Signal, to: "server" | "engine"): Promise<void>;
  /** The value of a metric, by its name. */
  metric(name: string): Promise<number>;
}

/** Starts a server; it is ready after a minute or so. */
export async function startServer(model: string, flags: readonly string[] = []): Promise<Server> {
  const port = freePort();
  const child = startProcess(join(environment(), "bin/python"), {
    args: [
      ...["-m", "vllm.entrypoints.cli.main", "serve", model, "--served-model-name", MODEL],
      ...["--host", "127.0.0.1", "--port", String(port), "--dtype", "float32"],
      ...["--enforce-eager", "--max-model-len", "2048", "--max-num-seqs", "16", ...flags],
    ],
    env: {
      VLLM_CPU_KVCACHE_SPACE: "1",
      VLLM_CPU_OMP_THREADS_BIND: "nobind",
      OMP_NUM_THREADS: "1",
      HF_HUB_OFFLINE: "1",
      VLLM_NO_USAGE_STATS: "1",
      DO_NOT_TRACK: "1",
      VLLM_ENABLE_RESPONSES_API_STORE: "1",
    },
  });
  const origin = `http://127.0.0.1:${port}`;
  let tree: number[] = [];
  const dispose = async () => {
    // Children of a killed server live on by themselves.
    for (const pid of new Set([...tree, ...await processTree(child.pid)])) end(pid);
    await child.status;
  };
  try {
    await waitFor(
      async () => {
        if (child.ended()) throw new Error(`vLLM ended:\n${child.output().slice(-2000)}`);
        try {
          const response = await fetch(`${origin}/health`);
          await response.body?.cancel();
          return response.ok;
        } catch (error) {
          if (!(error instanceof TypeError)) throw error;
          await new Promise((resolve) => setTimeout(resolve, 500));
          return false;
        }
      },
      () => `vLLM; its output:\n${child.output().slice(-2000)}`,
      300_000,
    );
    tree = await processTree(child.pid);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    process: child,
    port,
    origin,
    async signal(signal, to) {
      if (to === "server") {
        child.signal(signal);
        return;
      }
      for (const pid of tree) {
        const name = await Deno.readTextFile(`/proc/${pid}/comm`);
        if (name.includes("EngineCore") || name.includes("VLLM::Engine")) Deno.kill(pid, signal);
      }
    },
    async metric(name) {
      const text = await (await fetch(`${origin}/metrics`)).text();
      const lines = text.split("\n").filter((line) => line.startsWith(`vllm:${name}{`));
      if (lines.length === 0) throw new Error(`vLLM has no metric ${name}`);
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
    [Symbol.asyncDispose]: dispose,
  };
}

function end(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

// Simulated instances, each a process of its own on a port that it keeps, so that they can be killed,
// stopped and started again one by one.

import { join } from "node:path";
import { type ChildProcess, ROOT, startProcess } from "../support/processes.ts";
import { freePort } from "../support/ports.ts";

/** One simulated instance. Disposing it kills the process. */
export class Instance implements AsyncDisposable {
  #process: ChildProcess | null = null;
  #port = freePort();

  constructor(readonly name: string, private readonly args: readonly string[]) {}

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get url(): string {
    return `${this.origin}/v1`;
  }

  /** Starts it, on the port that it had before; resolves when it listens. */
  async start(): Promise<void> {
    this.#process = startProcess(Deno.execPath(), {
      args: [
        ...["run", "-A", "--config", join(ROOT, "deno.json"), join(ROOT, "main.ts"), "simulate"],
        ...["--host", "127.0.0.1", "--port", String(this.#port), ...this.args],
      ],
    });
    const ready = await this.#process.waitForOutput(/listening on http:\/\/[\d.]+:(\d+)/, 60_000);
    this.#port = Number(ready[1]);
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** SIGTERM: an orderly end, which cuts the answers in progress all the same. */
  async end(): Promise<void> {
    await this.#process?.stop();
  }

  /** Stands still with all its connections open, as a machine does that swaps or hangs. */
  freeze(): void {
    this.#process?.signal("SIGSTOP");
  }

  thaw(): void {
    this.#process?.signal("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Starts instances `sim-0` … with these flags of `simulate`. */
export async function startInstances(
  count: number,
  args: readonly string[],
): Promise<Instance[] & AsyncDisposable> {
  const instances = Array.from({ length: count }, (_, at) => new Instance(`sim-${at}`, args));
  const kill = async () => {
    await Promise.all(instances.map((one) => one.kill()));
  };
  try {
    await Promise.all(instances.map((one) => one.start()));
  } catch (error) {
    await kill();
    throw error;
  }
  return Object.assign(instances, { [Symbol.asyncDispose]: kill });
}

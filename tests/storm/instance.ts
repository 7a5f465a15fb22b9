// One simulated instance in a process of its own, on a port that it keeps over restarts.

import { type Simulators, startSimulators } from "../support/processes.ts";

export class StormInstance {
  #running: Simulators;

  private constructor(running: Simulators, private readonly args: string[], readonly port: number) {
    this.#running = running;
  }

  static async start(args: string[]): Promise<StormInstance> {
    const running = await startSimulators({ args });
    return new StormInstance(running, args, running.ports[0]);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  /** SIGKILL, or SIGTERM as an orderly end would be, and back after a while. */
  async restart(signal: "SIGKILL" | "SIGTERM", awayMs: number): Promise<void> {
    if (signal === "SIGKILL") await this.#running.process.kill();
    else await this.#running.process.stop();
    await sleep(awayMs);
    this.#running = await startSimulators({ args: [...this.args, "--port", String(this.port)] });
  }

  /** SIGSTOP: its connections stand and nothing comes, for a while. */
  async freeze(forMs: number): Promise<void> {
    this.#running.process.signal("SIGSTOP");
    await sleep(forMs);
    this.#running.process.signal("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// Who serves in this process: the main isolate alone (here), as many workers as the file says
// (worker_pool.ts), or both by need (elastic_workers.ts).

import type { Moved } from "../forward/moving.ts";
import type { Runtime } from "./runtime.ts";

export interface Serving {
  /** Isolates that take clients. */
  readonly isolates: number;
  /** Opens the door; resolves to its port. Rejects when nobody can listen there. */
  start(hostname: string, port: number): Promise<number>;
  /** Has what runs at an instance go on elsewhere. */
  move(instance: string): Promise<Moved>;
  /** Resolves once all that take clients go by the newest snapshot. Waits for none that does not answer. */
  caughtUp(): Promise<readonly string[]>;
  /** Lets running answers end; whoever asks now is told that the gateway is draining. */
  drain(): Promise<void>;
  /** Closes the door at once, another process has taken over; running answers end. */
  handOver(): Promise<void>;
  /** Cuts what is under way outside of the main isolate. */
  close(): Promise<void>;
}

/** The main isolate, which is closed by whoever has it. */
export class ServingAlone implements Serving {
  readonly isolates = 1;

  constructor(private readonly runtime: Runtime) {}

  start(hostname: string, port: number): Promise<number> {
    const listening = () => this.runtime.listen({ hostname, port, reusePort: true }).port;
    return Promise.try(listening);
  }

  move(instance: string): Promise<Moved> {
    return Promise.resolve(this.runtime.move(instance));
  }

  caughtUp(): Promise<readonly string[]> {
    return this.runtime.caughtUp();
  }

  drain(): Promise<void> {
    return this.runtime.drain();
  }

  handOver(): Promise<void> {
    return this.runtime.handOver();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

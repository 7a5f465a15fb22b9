// The life of an instance: drained and ended, lost, hung, asleep, paused. What each looks like from
// outside is vLLM 0.32's way; the answers themselves are left to engine.ts.

import type { Engine } from "./engine.ts";
import { shuttingDown } from "./errors.ts";
import type { Reply } from "./http_reply.ts";

/** How long a server that is told to end goes on listening, and one whose engine is lost. */
const LISTENS_ON_MS = 1000;
const POLL_MS = 20;

/** Why no token is made. A hung engine looks well from outside, the others say what they are. */
export type Halt = "hung" | "asleep" | "paused";

export class Life {
  /** Set once the server ends, after SIGTERM. */
  #ending = false;
  #halt: Halt | null = null;
  #waiting = new Map<Reply, () => void>();
  #timers = new Set<ReturnType<typeof setTimeout>>();

  /** `stopListening` ends the server: no more connections, and those that are there are closed. */
  constructor(
    private readonly engines: readonly Engine[],
    private readonly stopListening: () => Promise<void>,
  ) {}

  get asleep(): boolean {
    return this.#halt === "asleep";
  }

  get paused(): boolean {
    return this.#halt === "paused";
  }

  /** Runs `work`, which asks the engine, once the engine takes requests. Throws ApiError 500. */
  admit(reply: Reply, work: () => void): void {
    if (this.#ending) throw shuttingDown();
    if (this.#halt === null) {
      work();
      return;
    }
    this.#waiting.set(reply, work);
    reply.onFinish(() => this.#waiting.delete(reply));
  }

  /** No token is made until `go`; what asks for some waits without a word. */
  halt(why: Halt): void {
    this.#halt = why;
    for (const engine of this.engines) engine.halted = true;
  }

  /** The engine goes on. */
  go(): void {
    this.#halt = null;
    for (const engine of this.engines) engine.halted = false;
    const works = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const work of works) work();
  }

  /**
   * SIGTERM under `--shutdown-timeout`: what runs may finish within so many seconds, then it is
   * aborted; new requests are refused, though /health says nothing of it. Resolves at the end.
   */
  async terminate(timeoutS: number): Promise<void> {
    this.#ending = true;
    const isBusy = () => this.engines.some(({ metrics }) => metrics.running + metrics.waiting > 0);
    const deadlineMs = performance.now() + timeoutS * 1000;
    while (isBusy() && performance.now() < deadlineMs) await this.#pause(POLL_MS);
    for (const engine of this.engines) engine.abortAll();
    await this.#pause(LISTENS_ON_MS);
    await this.stopListening();
  }

  /** After so many seconds the engine's process is lost: everything fails, /health says 503, soon nobody listens. */
  async die(inS: number): Promise<void> {
    if (inS > 0) await this.#pause(inS * 1000);
    for (const engine of this.engines) engine.die();
    await this.#pause(LISTENS_ON_MS);
    await this.stopListening();
  }

  /** Lets go of what waits for the engine; nothing happens any more. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, ms);
      this.#timers.add(timer);
    });
  }
}

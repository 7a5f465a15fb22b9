// Keeps the connection of a client that waits long for a stream open with SSE comments, without
// deciding anything about the answer.

import type { ClientReply } from "../http/client.ts";
import { Deadline, type DeadlineClock } from "./deadline.ts";
import type { ForwardRequest } from "./request.ts";

const COMMENT = new TextEncoder().encode(": keepalive\n\n");

export class KeepAlive {
  readonly #deadline: Deadline | null = null;
  #writing: Promise<void> = Promise.resolve();
  #stopped = false;

  /**
   * Starts after `everyS` seconds of silence; 0 for never. Only where the answer is known to be a stream
   * of events: speech, for one, streams sound.
   */
  constructor(
    private readonly request: ForwardRequest,
    private readonly reply: ClientReply,
    private readonly everyS: number,
    private readonly clock: DeadlineClock,
  ) {
    if (!request.stream || request.api === null || everyS === 0) return;
    this.#deadline = new Deadline(() => this.#speak());
    this.clock.add(this.#deadline);
    this.#deadline.at = clock.now + everyS * 1000;
  }

  /** No more comments; one that is being written still ends. */
  stop(): void {
    this.#stopped = true;
    if (this.#deadline !== null) this.clock.remove(this.#deadline);
  }

  /** The same, and waits until nothing of it is under way any more. */
  async stopAndSettle(): Promise<void> {
    this.stop();
    await this.#writing;
  }

  #speak(): void {
    if (this.#stopped) return;
    if (!this.reply.begun) {
      this.reply.begin(200, [
        ["content-type", "text/event-stream; charset=utf-8"],
        ["cache-control", "no-cache"],
        ["x-request-id", this.request.id],
      ], null);
    }
    this.#writing = this.reply.write(COMMENT);
    this.#deadline!.at = this.clock.now + this.everyS * 1000;
    this.clock.add(this.#deadline!);
  }
}

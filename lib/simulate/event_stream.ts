// A streamed answer as it leaves: events, joined where several come in one turn, and the faults that
// happen in the middle of one.

import { type ApiError, internalError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";

const encoder = new TextEncoder();

export class EventStream {
  /** True once nothing more may be sent, after a fault or the end. */
  stopped = false;
  #pending: Uint8Array[] = [];
  #size = 0;
  #chunks = 0;
  #begun = false;

  /**
   * `errorEvents` is the text of an error in the middle of the stream, in the dialect's form. With
   * `lateHead` the head leaves together with the first event.
   */
  constructor(
    private readonly exchange: Exchange,
    { lateHead }: { lateHead: boolean },
    private readonly errorEvents: (error: ApiError) => string = (error) =>
      `data: ${error.body()}\n\ndata: [DONE]\n\n`,
  ) {
    if (!lateHead) this.#begin();
  }

  /** Sends an event's text. */
  send(event: string): void {
    this.sendBytes(encoder.encode(event));
  }

  /** Sends an event's bytes. */
  sendBytes(event: Uint8Array): void {
    if (this.stopped) return;
    this.#pending.push(event);
    this.#size += event.length;
  }

  /** To be called before the event of `count` tokens; false when the stream ends here instead. */
  tokens(count: number): boolean {
    const { fault } = this.exchange;
    const due = fault !== null && fault.number !== null && this.#chunks === fault.number;
    this.#chunks++;
    if (due && !this.#misbehave(fault.kind)) return false;
    this.exchange.log.tokens_sent += count;
    return true;
  }

  /** An error and the end. */
  fail(error: ApiError): void {
    this.send(this.errorEvents(error));
    this.end();
  }

  /** Breaks the connection off after what was sent. */
  cut(): void {
    if (this.stopped) return;
    this.flush();
    this.stopped = true;
    this.exchange.reply.close();
  }

  /** Hands over what was sent since the last time. */
  flush(): void {
    if (this.#size === 0) return;
    let bytes = this.#pending[0];
    if (this.#pending.length > 1) {
      bytes = new Uint8Array(this.#size);
      let at = 0;
      for (const part of this.#pending) {
        bytes.set(part, at);
        at += part.length;
      }
    }
    this.#pending = [];
    this.#size = 0;
    if (!this.#begun) this.#begin();
    this.exchange.reply.write(bytes);
  }

  #begin(): void {
    this.#begun = true;
    this.exchange.reply.begin(200, { "content-type": "text/event-stream; charset=utf-8" });
  }

  /** The proper end. */
  end(): void {
    if (this.stopped) return;
    this.flush();
    this.stopped = true;
    this.exchange.reply.end();
  }

  /** True when the stream goes on after the fault. */
  #misbehave(kind: string): boolean {
    const { reply } = this.exchange;
    if (kind === "malformed") {
      this.send('data: {"id":"broken","choices":[{"index":0,"delta":{"content":"\n\n');
      return true;
    }
    if (kind === "error-event") this.send(this.errorEvents(internalError()));
    if (!["error-event", "cut", "cut-reset", "cut-clean", "stall"].includes(kind)) return true;
    this.flush();
    this.stopped = true;
    if (kind === "cut") reply.close();
    else if (kind === "cut-reset") reply.reset();
    else if (kind !== "stall") reply.end();
    return false;
  }
}

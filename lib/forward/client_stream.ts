// What the client has of its answer: head, events, usage, and how it ends. The only one who writes to the
// client, whichever instances the answer comes from; while nothing comes, it keeps the connection open
// with comments. What comes, and from whom, is decided in forward.ts.

import type { Config } from "../config/config.ts";
import type { ClientReply } from "../http/client.ts";
import { latin1Text } from "../http/latin1.ts";
import { header, type HeaderList } from "../http/message.ts";
import { errorBodyAt } from "../api/dialects.ts";
import { isEventStream } from "../sse/detect.ts";
import type { EventStore } from "../sse/event_store.ts";
import { CLOSELY, dataOf, eventEnd, inspect, PLAIN, USAGE } from "../sse/scan.ts";
import type { Delivered, Usage } from "./account.ts";
import { Deadline, type DeadlineClock } from "./deadline.ts";
import { responseHeaders } from "./header_rules.ts";
import type { ForwardRequest } from "./request.ts";
import { type SseObserver, usageIn } from "./sse_observer.ts";
import { streamErrorEvent } from "./stream_error.ts";
import type { ResponseHead } from "./transport.ts";

const COMMENT = new TextEncoder().encode(": keepalive\n\n");

export class ClientStream implements Delivered {
  /** A whole body that was handed over, for the record. */
  body: Uint8Array | null = null;
  /** Every event that the client has; null where the answer is none of events that are understood. */
  store: EventStore | null = null;
  /** performance.now() of the first byte of an answer; comments are none. */
  firstByteAt: number | null = null;
  /** Whether the answer is a stream of events. */
  streamed = false;
  /** Reads the stream that goes through untouched; null where stages change it. */
  #reader: SseObserver | null = null;
  #usage: Usage | null = null;
  #pieces = 0;
  /** Limit of silence; null where no comments are wanted. */
  readonly #silence: Deadline | null = null;
  readonly #silenceMs: number;
  /** A comment on its way. */
  #comment: Promise<void> | null = null;
  /** Clock at the beginning, and the silence that the client says it bears; Infinity where it does not. */
  readonly #begunAt: number;
  readonly #patienceMs: number;
  /** Clock of the last write, and whether it was taken. */
  #wroteAt = 0;
  #isTaken = true;

  constructor(
    private readonly request: ForwardRequest,
    private readonly reply: ClientReply,
    config: Config,
    private readonly clock: DeadlineClock,
  ) {
    this.#silenceMs = config.keepaliveS * 1000;
    this.#begunAt = clock.now;
    this.#patienceMs = patienceMs(header(request.client.headers, "x-stainless-read-timeout"));
    // Only where the answer is known to be a stream of events: speech, for one, streams sound.
    if (!request.stream || request.api === null || config.keepaliveS === 0) return;
    this.#silence = new Deadline(() => this.#onSilence());
    clock.add(this.#silence);
    this.#wroteAt = clock.now;
    this.#silence.at = clock.now + this.#silenceMs;
  }

  /** Whether the client has a head, be it only for the sake of a comment. */
  get begun(): boolean {
    return this.reply.begun;
  }

  get gone(): boolean {
    return this.request.client.gone;
  }

  /** The last figures that the client was told. */
  get usage(): Usage | null {
    return this.#usage ?? this.#reader?.usage ?? null;
  }

  /** Events that carry a part of the answer and nothing else; each a token, as a rule. */
  get pieces(): number {
    return this.#pieces + (this.#reader?.pieces ?? 0);
  }

  /** An answer that is sent whole. */
  async whole(head: ResponseHead, instance: string, body: Uint8Array): Promise<void> {
    this.body = body;
    // What is fetched was made, and counted, before: once more for each look would be too often.
    const isMade = this.request.api !== null && this.request.client.method === "POST";
    if (isMade) this.#usage = usageOfBody(body);
    await this.#quiet();
    this.firstByteAt = performance.now();
    await this.reply.send(
      head.status,
      responseHeaders(head.headers, this.request.id, instance),
      body,
    );
  }

  /** Opens a body of bytes that are not understood. */
  async openBytes(head: ResponseHead, instance: string): Promise<void> {
    await this.#quiet();
    const length = header(head.headers, "content-length");
    this.firstByteAt = performance.now();
    this.reply.begin(
      head.status,
      responseHeaders(head.headers, this.request.id, instance),
      length === undefined ? null : Number(length),
    );
  }

  /** Opens a stream of events, which `reader` reads as they come. */
  async openEvents(head: ResponseHead, instance: string, reader: SseObserver): Promise<void> {
    this.#reader = reader;
    this.store = reader.store;
    this.streamed = true;
    await this.#settled();
    this.firstByteAt = performance.now();
    if (this.reply.begun) return;
    const headers = responseHeaders(head.headers, this.request.id, instance);
    const named = isEventStream(header(headers, "content-type"));
    this.reply.begin(head.status, named ? headers : eventStreamNamed(headers), null);
  }

  /** The stream breaks off here: what follows comes from elsewhere, through stages. */
  detach(): void {
    if (this.#reader === null) return;
    this.#usage = this.#reader.usage;
    this.#pieces = this.#reader.pieces;
    this.#reader = null;
  }

  /** Notes whole events that stages have made; write them as well. */
  keep(events: Uint8Array): void {
    for (let start = 0; start < events.length;) {
      const next = eventEnd(events, start, events.length);
      const end = next < 0 ? events.length : next;
      const flags = inspect(events, start, end);
      if ((flags & ~(CLOSELY | USAGE)) === PLAIN) this.#pieces++;
      if (flags & USAGE) this.#usage = usageIn(dataOf(events, start, end)) ?? this.#usage;
      this.store?.push(events, start, end);
      start = end;
    }
  }

  /**
   * Hands bytes on; resolves when the next may come. Call `taken` then. No promise more than the reply's
   * own, since each chunk of each stream passes here.
   */
  write(bytes: Uint8Array): Promise<void> {
    this.#wroteAt = this.clock.now;
    this.#isTaken = false;
    return this.#comment === null ? this.reply.write(bytes) : this.#writeBehindComment(bytes);
  }

  taken(): void {
    this.#isTaken = true;
  }

  /** The proper end. */
  async end(): Promise<void> {
    await this.#quiet();
    await this.reply.end();
  }

  /** The end of a stream that cannot be saved: an error event, no `[DONE]`. */
  async endWithError(event: Uint8Array): Promise<void> {
    await this.#quiet();
    await this.reply.write(event);
    await this.reply.end();
  }

  /** An error of the gateway's own, in a stream or as a whole answer. */
  async refuse(status: number, message: string, retryAfterS: number | null): Promise<void> {
    await this.#quiet();
    if (this.reply.begun) {
      return await this.endWithError(streamErrorEvent(this.request.api, status, message));
    }
    const headers: [string, string][] = [
      ["content-type", "application/json"],
      ["x-request-id", this.request.id],
    ];
    if (retryAfterS !== null) headers.push(["retry-after", String(Math.ceil(retryAfterS))]);
    await this.reply.send(status, headers, errorBodyAt(this.request.target, status, message));
  }

  /** Breaks the connection off: an answer without error events can only end so. */
  cut(): void {
    this.close();
    this.reply.cut();
  }

  /** No more comments. */
  close(): void {
    if (this.#silence !== null) this.clock.remove(this.#silence);
  }

  /** The same, and waits until nothing of a comment is under way any more. */
  async #quiet(): Promise<void> {
    this.close();
    await this.#settled();
  }

  async #settled(): Promise<void> {
    if (this.#comment !== null) await this.#comment;
  }

  async #writeBehindComment(bytes: Uint8Array): Promise<void> {
    await this.#comment;
    await this.reply.write(bytes);
  }

  #onSilence(): void {
    const silence = this.#silence!;
    const { now } = this.clock;
    this.clock.add(silence);
    silence.at = this.#wroteAt + this.#silenceMs;
    if (now < silence.at) return;
    silence.at = now + this.#silenceMs;
    // A client that does not read is not kept waiting, and after the last token nothing is waited for.
    if (!this.#isTaken || this.#comment !== null || this.#reader?.finished) return;
    // While nobody is known to work on it, a client's own limit shall not be kept from it for ever.
    if (!this.streamed && now - this.#begunAt + this.#silenceMs > this.#patienceMs) return;
    this.#speak();
  }

  #speak(): void {
    if (!this.reply.begun) {
      this.reply.begin(200, [
        ["content-type", "text/event-stream; charset=utf-8"],
        ["cache-control", "no-cache"],
        ["x-request-id", this.request.id],
      ], null);
    }
    const comment = this.reply.write(COMMENT).then(() => {
      if (this.#comment === comment) this.#comment = null;
    });
    this.#comment = comment;
  }
}

/** Usage stands near the end of a body; only its tail is looked at. */
function usageOfBody(body: Uint8Array): Usage | null {
  const tail = latin1Text(body, Math.max(0, body.length - 2048), body.length);
  const at = tail.lastIndexOf('"usage"');
  return at < 0 ? null : usageIn(tail.slice(at));
}

/** The fields of a stream of events that its server did not call one. */
function eventStreamNamed(headers: HeaderList): HeaderList {
  const others = headers.filter(([name]) => name !== "content-type");
  return [["content-type", "text/event-stream; charset=utf-8"], ...others];
}

/** The official clients tell how many seconds of silence they bear. */
function patienceMs(seconds: string | undefined): number {
  const number = Number(seconds ?? NaN);
  return number > 0 ? number * 1000 : Infinity;
}

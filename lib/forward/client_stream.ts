// What the client has of its answer: head, events, usage, and how it ends. The only one who writes to the
// client, whichever instances the answer comes from; while nothing comes, it keeps the connection open
// with comments. What comes, and from whom, is decided in delivery.ts.

import type { Config } from "../config/config.ts";
import type { ClientReply } from "../http/client.ts";
import { header, type HeaderList } from "../http/message.ts";
import { errorBodyAt } from "../api/dialects.ts";
import type { Json } from "../json/json.ts";
import { isEventStream } from "../sse/detect.ts";
import type { EventStore } from "../sse/event_store.ts";
import type { SseObserver } from "../sse/observer.ts";
import { CLOSELY, dataOf, eventEnd, inspect, PLAIN, USAGE } from "../sse/scan.ts";
import { type Usage, usageIn, usageOf, usageOfBody } from "../sse/usage.ts";
import { sizeOf, tokensOf } from "../pool/prefix/prompt_size.ts";
import type { Delivered } from "./account.ts";
import { Deadline, type DeadlineClock } from "./deadline.ts";
import { responseHeaders } from "./header_rules.ts";
import { Passage } from "./passage.ts";
import type { NoAnswer } from "./refusal.ts";
import type { ForwardRequest } from "./request.ts";
import { streamErrorEvent } from "./stream_error.ts";
import type { ResponseHead } from "./transport.ts";

const COMMENT = new TextEncoder().encode(": keepalive\n\n");

export class ClientStream implements Delivered {
  /** A whole body that was handed over, for the record. */
  body: Uint8Array | null = null;
  /** The same before policies changed it. */
  #made: Uint8Array | null = null;
  parsed: Json | null = null;
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

  /** Policies have ended the answer: nothing more is asked for. */
  isCut = false;
  /** What policies do to the answer; null where none looks at it. */
  readonly #passage: Passage | null;
  /** Figures of an answer that policies end, where they are known otherwise than by events. */
  counted: (() => Usage | null) | null = null;

  /** Called before what tells the client that its answer has ended; null where nobody wants to know. */
  onEnding: (() => void) | null = null;

  constructor(
    private readonly request: ForwardRequest,
    private readonly reply: ClientReply,
    config: Config,
    private readonly clock: DeadlineClock,
  ) {
    this.#silenceMs = config.keepaliveS * 1000;
    this.#begunAt = clock.now;
    this.#patienceMs = patienceMs(header(request.client.headers, "x-stainless-read-timeout"));
    this.#passage = request.policed === null ? null : Passage.of(request, {
      maxBytes: config.record.maxBytes,
      usage: () => this.#usageAtCut(),
      generated: () => this.store,
    });
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

  /** Every event of a stream that the client has, where policies have changed it. */
  get shown(): EventStore | null {
    return this.store === null ? null : this.#passage?.shown ?? null;
  }

  get generated(): Uint8Array | EventStore | null {
    return this.#made ?? this.store;
  }

  /** Events that carry a part of the answer and nothing else; each a token, as a rule. */
  get pieces(): number {
    return this.#pieces + (this.#reader?.pieces ?? 0);
  }

  /** Why the instance was chosen, where the client is told; null where it is not. */
  route: string | null = null;

  /** An answer that is sent whole. */
  async whole(
    head: ResponseHead,
    instance: string,
    made: Uint8Array,
    parsed: Json | null,
  ): Promise<void> {
    const passage = head.status >= 400 ? null : this.#passage;
    const { shown, sent: body } = passage === null
      ? { shown: made, sent: made }
      : await passage.whole(made);
    if (passage?.isOver) this.isCut = true;
    this.body = shown;
    this.#made = made;
    if (shown === made) this.parsed = parsed;
    // What is fetched was made, and counted, before: once more for each look would be too often.
    const isMade = this.request.api !== null && this.request.client.method === "POST";
    if (isMade) {
      this.#usage = body === made && parsed !== null ? usageOf(parsed) : usageOfBody(body);
    }
    this.close();
    // No promise more than needed: every answer passes here.
    if (this.#comment !== null) await this.#comment;
    this.firstByteAt = performance.now();
    this.onEnding?.();
    await this.reply.send(
      head.status,
      responseHeaders(head.headers, this.request.id, instance, this.route),
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
      responseHeaders(head.headers, this.request.id, instance, this.route),
      length === undefined ? null : Number(length),
    );
  }

  /** Opens a stream of events, which `reader` reads as they come. */
  async openEvents(head: ResponseHead, instance: string, reader: SseObserver): Promise<void> {
    this.#reader = reader;
    this.store = reader.store;
    this.streamed = true;
    this.#passage?.begin();
    if (this.#comment !== null) await this.#comment;
    this.firstByteAt = performance.now();
    if (this.reply.begun) return;
    const headers = responseHeaders(head.headers, this.request.id, instance, this.route);
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

  /** Figures that the client is not told, of a stream that stages change. */
  noteUsage(usage: Usage): void {
    this.#usage = usage;
  }

  /** Notes whole events that stages have made; write them as well. */
  keep(events: Uint8Array): void {
    for (let start = 0; start < events.length;) {
      const next = eventEnd(events, start, events.length);
      const end = next < 0 ? events.length : next;
      const flags = inspect(events, start, end);
      if ((flags & ~(CLOSELY | USAGE)) === PLAIN) this.#pieces++;
      if (flags & USAGE) {
        this.#usage = usageIn(dataOf(events, start, end), this.#usage) ?? this.#usage;
      }
      this.store?.push(events, start, end);
      start = end;
    }
  }

  /**
   * Hands bytes on; resolves when the next may come, null where they may at once. Call `taken` then. No
   * promise more than the reply's own, since each chunk of each stream passes here.
   */
  write(bytes: Uint8Array): Promise<void> | null {
    if (this.#passage === null) return this.#write(bytes);
    const passed = this.#passage.take(bytes);
    return passed instanceof Uint8Array ? this.#writePassed(passed) : this.#writeGuarded(passed);
  }

  /** What policies let through. */
  #writePassed(bytes: Uint8Array): Promise<void> | null {
    if (this.#passage!.isOver && !this.isCut) {
      this.isCut = true;
      this.#usage ??= this.#usageAtCut();
    }
    return bytes.length === 0 ? null : this.#write(bytes);
  }

  /** While guards are asked nothing more is read of the instance. */
  async #writeGuarded(passing: Promise<Uint8Array>): Promise<void> {
    await this.#writePassed(await passing);
  }

  #write(bytes: Uint8Array): Promise<void> | null {
    this.#wroteAt = this.clock.now;
    this.#isTaken = false;
    return this.#comment === null ? this.reply.write(bytes) : this.#writeBehindComment(bytes);
  }

  taken(): void {
    this.#isTaken = true;
  }

  /** The proper end. */
  end(): Promise<void> {
    return this.#end(null);
  }

  /** The end of a stream that cannot be saved: an error event, no `[DONE]`. */
  endWithError(event: Uint8Array): Promise<void> {
    return this.#end(event);
  }

  async #end(error: Uint8Array | null): Promise<void> {
    this.onEnding?.();
    await this.#quiet();
    await this.#release();
    if (error !== null) await this.reply.write(error);
    await this.reply.end();
  }

  /** An error of the gateway's own, in a stream or as a whole answer. */
  async refuse({ status, message, retryAfterS, isFinal }: NoAnswer): Promise<void> {
    this.onEnding?.();
    await this.#quiet();
    if (this.reply.begun) {
      return await this.endWithError(streamErrorEvent(this.request.api, status, message));
    }
    const headers: [string, string][] = [
      ["content-type", "application/json"],
      ["x-request-id", this.request.id],
    ];
    if (retryAfterS !== null) headers.push(["retry-after", String(Math.ceil(retryAfterS))]);
    if (isFinal) headers.push(["x-should-retry", "false"]);
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
    if (this.#comment !== null) await this.#comment;
  }

  /** What policies have held back, since nothing will come that could make it more. */
  async #release(): Promise<void> {
    if (!this.streamed || this.#passage === null) return;
    const rest = await this.#passage.flush();
    if (rest.length > 0) await this.reply.write(rest);
  }

  /** An instance that is left in the middle of an answer tells no figures. */
  #usageAtCut(): Usage | null {
    const known = this.#usage ?? this.#reader?.usage ?? this.counted?.() ?? null;
    const { pieces } = this;
    if (known !== null) {
      // Those at the beginning of a message know of nothing that came after it.
      return known.completionTokens >= pieces ? known : { ...known, completionTokens: pieces };
    }
    const { terms, body, prompt } = this.request;
    const promptTokens = terms?.promptTokens ?? tokensOf(sizeOf(body, prompt));
    return { promptTokens, completionTokens: pieces, cachedTokens: null };
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
    const written = () => {
      if (this.#comment === comment) this.#comment = null;
    };
    // What cannot be written is told by the next write as well.
    const comment = this.reply.write(COMMENT)?.then(written, written) ?? null;
    this.#comment = comment;
  }
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

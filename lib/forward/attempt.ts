// One attempt: a request to the one instance of a lease, up to the point where its answer has proved
// itself. Nothing has gone to the client then, so a failed attempt can be followed by another.

import type { Config } from "../config/config.ts";
import { joined } from "../http/joined.ts";
import type { Slab } from "../http/memory.ts";
import { latin1Text } from "../http/latin1.ts";
import { header } from "../http/message.ts";
import type { AttemptTrace } from "../observe/trace.ts";
import type { Instance } from "../pool/instance.ts";
import type { Lease } from "../pool/lease.ts";
import { EventStore } from "../sse/event_store.ts";
import { bodyGaveUp } from "../sse/scan.ts";
import type { ClientReply } from "../http/client.ts";
import { Deadline, type DeadlineClock } from "./deadline.ts";
import { requestHeaders } from "./header_rules.ts";
import type { ForwardRequest } from "./request.ts";
import { askingForIds, type TokenIds } from "./token_ids.ts";
import { errorIn, SseObserver } from "./sse_observer.ts";
import { bodyFor, targetUrl } from "./target.ts";
import {
  readFrom,
  type ResponseHead,
  type Transport,
  type UpstreamCall,
  UpstreamError,
  type UpstreamRequest,
} from "./transport.ts";

/** A whole answer is kept back up to this size, so that a cut can still fail over. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;
/** What is read of an error body. */
const MAX_ERROR_BYTES = 1024 * 1024;
/** How long the words of a refusal are waited for: its status has said what matters. */
const REFUSAL_BODY_MS = 1000;

/** Why an attempt gave no answer. */
export interface Failure {
  /** Fit for a client: what the instance did, without address or key. */
  message: string;
  /** Final status if no other attempt succeeds. */
  status: 502 | 503 | 504 | 429;
  /** busy: it said so itself and is no failure; passing: worth asking again soon. */
  kind: "busy" | "passing" | "timeout";
  /** What the instance answered, where it did. */
  upstreamStatus?: number;
  retryAfterS: number | null;
}

export type AttemptResult =
  /** A whole answer, 4xx ones included. */
  | { kind: "whole"; head: ResponseHead; body: Uint8Array }
  /** A stream of events that has proved itself; `first` are its first events. */
  | { kind: "events"; head: ResponseHead; observer: SseObserver; first: Uint8Array; ended: boolean }
  /** Any other body, of which `first` has been read. */
  | { kind: "bytes"; head: ResponseHead; first: readonly Uint8Array[]; ended: boolean }
  | { kind: "failed"; failure: Failure }
  /** The instance's context is too short for the request: 400 with its own words. */
  | { kind: "too_long"; head: ResponseHead; body: Uint8Array }
  | { kind: "gone" };

/** Given to `abort` when the client has left. */
export class ClientGone extends Error {
  constructor() {
    super("the client has left");
  }
}

/** Made once: the stack that comes with an error costs more than all else about the end. */
const OVER = new Error("the request is over");
const GONE = new ClientGone();

/** What all attempts of an isolate share. */
export interface AttemptParts {
  readonly clock: DeadlineClock;
  /** Memory of whole answers. */
  readonly slab: Slab;
  transportFor(instance: Instance): Transport;
}

export class Attempt {
  call: UpstreamCall | null = null;
  /** Where it is traced, once it was sent. */
  trace: AttemptTrace | null = null;
  readonly #deadline: Deadline;
  #total: Deadline | null = null;
  /** Takes back that a client who leaves ends the call. */
  #stopListening: () => void = () => {};
  #phase: "first_byte" | "idle" | "total" = "first_byte";

  constructor(
    readonly request: ForwardRequest,
    readonly lease: Lease,
    readonly number: number,
    private readonly config: Config,
    private readonly parts: AttemptParts,
    /** Where the answer's token ids are gathered, for requests that are resumed by them. */
    readonly tokenIds: TokenIds | null = null,
  ) {
    this.#deadline = new Deadline(() => this.call?.abort(this.#timeout()));
  }

  get instance(): Instance {
    return this.lease.instance;
  }

  /** Sends the request and waits until the answer has proved itself. Never rejects. */
  async run(
    /** Another body than the client's, for an instance that knows the model by this name. */
    bodyFrom?: (upstreamModel: string | undefined) => Uint8Array,
    /** Another path and query than the client's. */
    target: string = this.request.target,
  ): Promise<AttemptResult> {
    const { request } = this;
    if (request.client.gone) return { kind: "gone" };
    this.#start(target, bodyFrom);
    this.#stopListening = request.client.onGone(() => this.call?.abort(GONE));
    try {
      const head = await this.call!.head;
      return await this.#judge(head);
    } catch (error) {
      if (request.client.gone) return { kind: "gone" };
      return { kind: "failed", failure: this.#explain(error) };
    }
  }

  /** Next bytes of the body; the idle limit runs only while the instance is waited for. */
  async read(): Promise<Uint8Array | null> {
    this.#waits();
    const piece = await readFrom(this.call!);
    this.#deadline.at = Infinity;
    return piece;
  }

  /**
   * Passes the events on until the body ends or `observer` finds a fault. What a chunk of a stream costs
   * is here: nothing may be added to it lightly.
   */
  async relay(observer: SseObserver, reply: ClientReply): Promise<void> {
    const call = this.call!;
    while (observer.fault === null) {
      const piece = call.take();
      if (piece === null) return;
      if (piece.length > 0) {
        const events = observer.take(piece);
        if (events.length > 0) await reply.write(events);
        continue;
      }
      this.#waits();
      let count: number | null;
      try {
        count = await call.wait();
      } catch (error) {
        throw call.explain(error);
      }
      call.arrived(count);
      this.#deadline.at = Infinity;
    }
  }

  #waits(): void {
    this.#phase = "idle";
    this.#deadline.at = this.parts.clock.now + this.instance.config.timeouts.idleS * 1000;
  }

  /** Ends everything about this attempt except its lease. */
  close(reason: Error = OVER): void {
    this.parts.clock.remove(this.#deadline);
    if (this.#total !== null) this.parts.clock.remove(this.#total);
    this.#stopListening();
    this.call?.abort(reason);
  }

  #start(target: string, bodyFrom?: (upstreamModel: string | undefined) => Uint8Array): void {
    const { request, config } = this;
    const instance = this.instance.config;
    const upstreamModel = instance.upstreamModels[request.model];
    const replacement = upstreamModel === undefined ? null : new TextEncoder().encode(
      request.jsonBody ? JSON.stringify(upstreamModel) : upstreamModel,
    );
    const id = this.number === 1 ? request.id : `${request.id}-${this.number}`;
    const timeouts = instance.timeouts ?? config;
    const transport = this.parts.transportFor(this.instance);
    const headers = requestHeaders(request.client.headers, instance.apiKey, id);
    const trace = this.trace = request.trace?.attempt(request.model, instance) ?? null;
    const upstream: UpstreamRequest = {
      method: request.client.method,
      url: targetUrl(instance, target),
      headers: trace?.headers(headers, transport.tracesItself) ?? headers,
      body: bodyFrom === undefined
        ? this.tokenIds === null
          ? bodyFor(request.body, request.modelSpans, replacement)
          : askingForIds(bodyFor(request.body, request.modelSpans, replacement))
        : [bodyFrom(upstreamModel)],
      connectTimeoutS: timeouts.connectS,
    };
    this.call = trace === null
      ? transport.start(upstream)
      : trace.within(() => transport.start(upstream));
    this.parts.clock.add(this.#deadline);
    this.#deadline.at = this.parts.clock.now + timeouts.firstByteS * 1000;
    if (timeouts.totalS !== null) {
      this.#total = new Deadline(() => {
        this.#phase = "total";
        this.call?.abort(this.#timeout());
      });
      this.#total.at = this.parts.clock.now + timeouts.totalS * 1000;
      this.parts.clock.add(this.#total);
    }
  }

  async #judge(head: ResponseHead): Promise<AttemptResult> {
    const { status } = head;
    if (status === 429 || (status >= 500 && status !== 501)) return await this.#refusal(head);
    const type = header(head.headers, "content-type") ?? "";
    if (status >= 400) {
      const body = await this.#readWhole(MAX_ERROR_BYTES);
      if (body.rest !== null) return { kind: "bytes", head, first: body.pieces, ended: false };
      const whole = joined(body.pieces);
      const kind = status === 400 && saysTooLong(whole) ? "too_long" : "whole";
      return { kind, head, body: whole };
    }
    // A coded body, sent though none was asked for, cannot be looked into: it passes as it is.
    const coding = header(head.headers, "content-encoding") ?? "identity";
    if (coding === "identity") {
      if (type.startsWith("text/event-stream")) return await this.#peek(head);
      if (type.startsWith("application/json") || this.request.api !== null) {
        return await this.#hold(head);
      }
    }
    const first = await readFrom(this.call!);
    this.#deadline.at = Infinity;
    return { kind: "bytes", head, first: first === null ? [] : [first], ended: first === null };
  }

  /** 429 and 5xx: read what it says, for the message and for Retry-After. */
  async #refusal(head: ResponseHead): Promise<AttemptResult> {
    const retryAfterS = parseRetryAfter(header(head.headers, "retry-after"));
    const { status } = head;
    const busy = status === 429 || (status === 503 && retryAfterS !== null);
    if (busy && retryAfterS !== null) this.instance.holdBack(retryAfterS);
    return {
      kind: "failed",
      failure: {
        message: [`answered ${status}`, await this.#words()].filter(Boolean).join(": "),
        status: status === 429 ? 429 : status === 503 ? 503 : status === 504 ? 504 : 502,
        kind: busy ? "busy" : "passing",
        upstreamStatus: status,
        retryAfterS,
      },
    };
  }

  /** The words of a refusal; "" when they do not come soon, or break off. */
  async #words(): Promise<string> {
    const until = this.parts.clock.now + REFUSAL_BODY_MS;
    this.#deadline.at = Math.min(this.#deadline.at, until);
    try {
      const body = await this.#readWhole(MAX_ERROR_BYTES, until);
      return messageIn(joined(body.pieces));
    } catch (error) {
      if (this.request.client.gone || !(error instanceof UpstreamError)) throw error;
      return "";
    }
  }

  /** A JSON answer is given on only when it is whole, so that a cut one can be asked for elsewhere. */
  async #hold(head: ResponseHead): Promise<AttemptResult> {
    const body = await this.#readWhole(MAX_HELD_BYTES);
    if (body.rest !== null) return { kind: "bytes", head, first: body.pieces, ended: false };
    const whole = joined(body.pieces);
    if (this.request.client.method === "POST" && head.status < 300) {
      const { api } = this.request;
      if (api !== null && whole.length === 0) return passing("sent an empty answer", head.status);
      if (!looksWhole(whole, api !== null)) {
        return passing("sent an answer that is no whole JSON", head.status);
      }
      if (api !== null && bodyGaveUp(whole)) return passing("aborted the answer", head.status);
      const error = api === null ? null : errorInstead(whole);
      if (error !== null) return passing(error, head.status);
    }
    return { kind: "whole", head, body: whole };
  }

  /** Waits for the first event that means something. */
  async #peek(head: ResponseHead): Promise<AttemptResult> {
    const { request, config } = this;
    const store = request.api !== null ? new EventStore(config.record.maxBytes) : null;
    const observer = new SseObserver(request.api, request.choices, store, this.tokenIds);
    let first: Uint8Array = new Uint8Array(0);
    for (;;) {
      const piece = await readFrom(this.call!);
      if (piece === null) break;
      const events = observer.take(piece);
      first = first.length === 0 ? events.slice() : joined([first, events]);
      if (observer.fault !== null || observer.meaningful || observer.done) break;
    }
    this.#deadline.at = Infinity;
    const { fault } = observer;
    if (fault?.event && fault.code !== null && fault.code >= 400 && fault.code < 500) {
      if (fault.code !== 429) return await this.#clientsError(head, observer, first, fault.event);
      return {
        kind: "failed",
        failure: {
          message: fault.message,
          status: 429,
          kind: "busy",
          upstreamStatus: 429,
          retryAfterS: null,
        },
      };
    }
    // Several answers at once cannot be resumed; nothing of them has been sent, so they begin anew.
    if (fault !== null && request.choices > 1) return passing(fault.message, head.status);
    if (observer.meaningful) return { kind: "events", head, observer, first, ended: false };
    if (fault !== null) return passing(fault.message, head.status);
    return passing(
      observer.pending > 0
        ? "broke off the stream inside its first event"
        : "ended the stream before the answer began",
      head.status,
    );
  }

  /** An error of the client's own inside a 200 stream goes to the client as it came, to its end. */
  async #clientsError(
    head: ResponseHead,
    observer: SseObserver,
    first: Uint8Array,
    event: Uint8Array,
  ): Promise<AttemptResult> {
    const rest: Uint8Array[] = [first, event];
    let size = 0;
    for (;;) {
      const piece = await this.read();
      if (piece === null) break;
      size += piece.length;
      if (size > MAX_ERROR_BYTES) break;
      if (rest.length === 2) rest.push(new TextEncoder().encode("data: [DONE]\n\n"));
    }
    return { kind: "events", head, observer, first: joined(rest), ended: true };
  }

  /**
   * Reads to the end, or until `limit` is passed (`rest` is the call then). Waits no longer than the
   * idle limit for each piece, and until `until` for all of them.
   */
  async #readWhole(
    limit: number,
    until = Infinity,
  ): Promise<{ pieces: Uint8Array[]; rest: UpstreamCall | null }> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const piece = await readFrom(this.call!);
      if (piece === null) {
        this.#deadline.at = Infinity;
        return { pieces, rest: null };
      }
      pieces.push(this.parts.slab.copy(piece));
      size += piece.length;
      if (size > limit) {
        this.#deadline.at = Infinity;
        return { pieces, rest: this.call };
      }
      const idleAt = this.parts.clock.now + this.instance.config.timeouts.idleS * 1000;
      this.#deadline.at = Math.min(idleAt, until);
      this.#phase = "idle";
    }
  }

  #timeout(): UpstreamError {
    const { timeouts } = this.instance.config;
    const message = this.#phase === "first_byte"
      ? `no answer within ${timeouts.firstByteS} s (timeouts.first_byte)`
      : this.#phase === "idle"
      ? `silent for ${timeouts.idleS} s in the middle of the answer (timeouts.idle)`
      : `not finished within ${timeouts.totalS} s (timeouts.total)`;
    return new UpstreamError(this.#phase === "first_byte" ? "head" : "body", "timeout", message);
  }

  #explain(error: unknown): Failure {
    return explainError(error);
  }
}

/** A failure in words and kind; anything but an UpstreamError is the gateway's own and is named so. */
export function explainError(error: unknown): Failure {
  if (error instanceof UpstreamError) {
    return {
      message: error.message,
      status: error.fault === "timeout" ? 504 : 502,
      kind: error.fault === "timeout" ? "timeout" : "passing",
      retryAfterS: null,
    };
  }
  throw error;
}

function passing(message: string, upstreamStatus: number): AttemptResult {
  return {
    kind: "failed",
    failure: { message, status: 502, kind: "passing", upstreamStatus, retryAfterS: null },
  };
}

/** Seconds from a Retry-After header, a number or an HTTP date; null when there is none that makes sense. */
export function parseRetryAfter(value: string | undefined): number | null {
  if (value === undefined) return null;
  if (/^\d{1,9}(\.\d+)?$/.test(value)) return Number(value);
  // Date.parse takes nearly anything, a negative number for a year; HTTP's dates begin with a weekday.
  const date = /^[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000);
}

/**
 * Whether a JSON body ends as it begins, which one that was cut short does not. Values other than
 * objects and lists pass unless an object is due.
 */
function looksWhole(body: Uint8Array, objectDue: boolean): boolean {
  let first = 0;
  while (first < body.length && body[first] <= 32) first++;
  let last = body.length - 1;
  while (last > first && body[last] <= 32) last--;
  if (body[first] === 123 /* { */) return last > first && body[last] === 125 /* } */;
  if (objectDue) return false;
  return body[first] !== 91 /* [ */ || (last > first && body[last] === 93 /* ] */);
}

/**
 * The error that a server sent with status 200 in place of an answer; null for an answer, and for an
 * error that is the client's own.
 */
function errorInstead(body: Uint8Array): string | null {
  const opening = latin1Text(body, 0, Math.min(body.length, 40));
  if (!/^\s*\{\s*"(error"\s*:\s*["{]|object"\s*:\s*"error")/.test(opening)) return null;
  const { message, code } = errorIn(new TextDecoder().decode(body));
  const isClients = code !== null && code >= 400 && code < 500 && code !== 429;
  return isClients ? null : `sent an error: ${message}`;
}

/** vLLM's and OpenAI's words for a prompt that does not fit. */
function saysTooLong(body: Uint8Array): boolean {
  const text = new TextDecoder().decode(body.subarray(0, 4096));
  return /maximum (context|model) length|context_length_exceeded|max_model_len|longer than the maximum/i
    .test(text);
}

/** The message of an error body in a few words; "" when it says nothing. */
export function messageIn(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, 4096)).trim();
  let message = text;
  try {
    const parsed = JSON.parse(text);
    const found = parsed?.error?.message ?? parsed?.error ?? parsed?.message ?? parsed?.detail;
    if (typeof found === "string") message = found;
  } catch {
    // Not JSON: the text itself is the message.
  }
  // deno-lint-ignore no-control-regex -- control bytes of an instance must not reach a log or client
  return message.slice(0, 200).replace(/[\u0000-\u001f\u007f]+/g, " ");
}

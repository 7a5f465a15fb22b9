// One attempt: a request to the one instance of a lease. Owns the lease, the connection and the time
// limits, and ends them at one place. What its answer is worth is told by verdict.ts, where it goes by
// forward.ts.

import type { Config } from "../config/config.ts";
import { readError } from "../api/error.ts";
import { joined } from "../http/joined.ts";
import type { Slab } from "../http/memory.ts";
import type { TryOutcome } from "../observe/tally.ts";
import type { AttemptTrace } from "../observe/trace.ts";
import type { Instance } from "../pool/instance.ts";
import type { Lease } from "../pool/lease.ts";
import type { Outcome } from "../pool/outlier.ts";
import { isObject, type Json } from "../sse/assemble/answer.ts";
import { looksLikeEvents } from "../sse/detect.ts";
import { EventStore } from "../sse/event_store.ts";
import type { AttemptLog, Usage } from "./account.ts";
import type { Ask } from "./ask.ts";
import type { ClientStream } from "./client_stream.ts";
import { Deadline, type DeadlineClock } from "./deadline.ts";
import { explainError, type Failure } from "./failure.ts";
import { credentialsOf, facingClients, requestHeaders } from "./header_rules.ts";
import type { Question } from "./question.ts";
import type { ForwardRequest } from "./request.ts";
import { Secret } from "./secret.ts";
import { SseObserver } from "./sse_observer.ts";
import { type Stage, through } from "./stage.ts";
import { targetUrl } from "./target.ts";
import {
  readFrom,
  type ResponseHead,
  type Transport,
  type UpstreamCall,
  UpstreamError,
} from "./transport.ts";
import { decoded } from "./transport/decoded.ts";
import {
  faultOfBody,
  operatorsFault,
  readingOf,
  refusalOf,
  startOf,
  withWords,
} from "./verdict.ts";

/** A whole answer is kept back up to this size, so that a cut can still fail over. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;
/** What is read of an error body. */
const MAX_ERROR_BYTES = 1024 * 1024;
/** How long the words of a refusal are waited for: its status has said what matters. */
const REFUSAL_BODY_MS = 1000;

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
const DONE = encoder.encode("data: [DONE]\n\n");
/** How long the end of the body may take after `[DONE]`, and what may follow the last finish reason. */
const DONE_MS = 500;
const FINISHED_MS = 5000;
/** How often the pool hears of a long stream that it gets on. */
const TELL_MS = 1000;
/** A question to an instance that is alive is answered at once. */
const QUESTION_S = 10;
/** Statuses of who may answer a question later; 500 is what some say to a path that they do not have. */
const NOT_NOW: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const JSON_TYPE = [["content-type", "application/json"]] as const;

/** What the beginning of an answer has proved. */
export type Proof =
  /** A whole answer, 4xx ones included. */
  | { kind: "whole"; head: ResponseHead; body: Uint8Array }
  /** A stream of events; `first` are its first events, all of them where it has `ended`. */
  | { kind: "events"; head: ResponseHead; reader: SseObserver; first: Uint8Array; ended: boolean }
  /** Any other body, of which `first` has been read. */
  | { kind: "bytes"; head: ResponseHead; first: readonly Uint8Array[]; ended: boolean }
  | { kind: "failed"; failure: Failure }
  /** The instance's context is too short for the request: 400 with its own words. */
  | { kind: "too_long"; head: ResponseHead; body: Uint8Array }
  | { kind: "gone" }
  /** What the ask needs cannot be had: it is not asked. */
  | { kind: "closed" }
  /** There was nothing left to ask for: these events end the answer. */
  | { kind: "over"; events: Uint8Array };

/** Given to `abort` when the client has left. */
class ClientGone extends Error {
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
  readonly instance: Instance;
  #call: UpstreamCall | null = null;
  #trace: AttemptTrace | null = null;
  #status: number | undefined;
  #ended = false;
  /** Clock of the last event that took the answer further. */
  #progressAt = 0;
  /** Clock at which the pool heard of progress last. */
  #toldAt = 0;
  /** Nothing came of the request, and the wait for it is over. */
  #isSwallowed = false;
  #notGone: (() => void) | null = null;
  /** The gateway's own key, which the instance's words shall not tell. */
  readonly #secret: Secret;
  readonly #deadline: Deadline;
  #total: Deadline | null = null;
  /** Clock by which a whole answer must be there, whatever dribbles meanwhile. */
  #answerBy = Infinity;
  #phase: "question" | "first_byte" | "answer" | "idle" | "total" = "first_byte";

  constructor(
    private readonly request: ForwardRequest,
    readonly ask: Ask,
    private readonly lease: Lease,
    /** 1 for the first attempt of the request. */
    private readonly number: number,
    private readonly config: Config,
    private readonly parts: AttemptParts,
  ) {
    this.instance = lease.instance;
    this.#secret = new Secret(lease.instance.config.apiKey);
    this.#deadline = new Deadline(() => {
      this.#isSwallowed = this.#phase === "first_byte";
      this.#call?.abort(this.#timeout());
    });
  }

  /** Sends the request and waits until the answer has proved itself. Never rejects. */
  async prove(): Promise<Proof> {
    const { client } = this.request;
    if (client.gone) return { kind: "gone" };
    this.#notGone = client.onGone(() => this.#call?.abort(GONE));
    this.parts.clock.add(this.#deadline);
    try {
      const prepared = await this.ask.prepare?.(this.#question) ?? "ready";
      if (client.gone) return { kind: "gone" };
      if (prepared === "closed") return { kind: "closed" };
      if (prepared !== "ready") return { kind: "over", events: encoder.encode(prepared.end) };
      this.#start();
      this.lease.sent(this.request.stream ? "stream" : "whole", (why) => {
        this.#isSwallowed = true;
        this.#call?.abort(new UpstreamError("head", "timeout", why));
      });
      const plain = decoded(this.#call!, await this.#call!.head, this.request.client.method);
      this.#call = plain.call;
      const { status, headers } = facingClients(plain.head, this.instance.config);
      const head = { status, headers: this.#secret.headers(headers) };
      this.#status = status;
      const proof = await this.#judge(head);
      if (proof.kind !== "failed") this.#proved(proof, status);
      return proof;
    } catch (error) {
      if (client.gone) return { kind: "gone" };
      return { kind: "failed", failure: this.explain(error) };
    }
  }

  /** The engine works; it has computed the prompt, unless it refused the request. */
  #proved(proof: Proof, status: number): void {
    this.lease.progressed();
    if (status >= 400) return;
    if (proof.kind === "events") this.lease.firstToken();
    else this.lease.answered();
  }

  /**
   * Passes the events on until the body ends, `reader` finds a fault or a stage objects (then false).
   * What a chunk of a stream costs is here: nothing may be added to it lightly. Throws UpstreamError.
   */
  async relay(
    { reader, first, ended }: Proof & { kind: "events" },
    stages: readonly Stage[],
    client: ClientStream,
  ): Promise<boolean> {
    const begun = staged(first, stages, client);
    if (begun === null) return false;
    if (begun.length > 0) await client.write(begun);
    client.taken();
    if (ended) return true;
    const call = this.#call!;
    let { progress } = reader;
    this.#progressAt = this.#toldAt = this.parts.clock.now;
    while (reader.fault === null) {
      const piece = call.take();
      if (piece === null || piece.length > 0) {
        let events = piece === null ? reader.end() : reader.take(piece);
        if (stages.length > 0) {
          const passed = staged(events, stages, client);
          if (passed === null) return false;
          events = passed;
        }
        if (events.length > 0) {
          await client.write(events);
          client.taken();
        }
        if (piece === null) return true;
        if (reader.progress !== progress) {
          progress = reader.progress;
          this.#progressed();
        }
        continue;
      }
      this.#waitsForProgress(reader);
      let count: number | null;
      try {
        count = await call.wait();
      } catch (error) {
        throw call.explain(error);
      }
      call.arrived(count);
      this.#deadline.at = Infinity;
    }
    return true;
  }

  /** Why the attempt failed. Rethrows what is no UpstreamError. */
  explain(error: unknown): Failure {
    const failure = explainError(error);
    // One that is found to answer nobody is left for another, whatever its limit.
    const isLimit = !this.#isSwallowed && (this.#phase === "answer" || this.#phase === "total");
    return failure.kind === "timeout" && isLimit && !isConnecting(error)
      ? { ...failure, kind: "late" }
      : failure;
  }

  /** Passes bytes on until the body ends. Throws UpstreamError. */
  async relayBytes(
    { first, ended }: Proof & { kind: "bytes" },
    client: ClientStream,
  ): Promise<void> {
    for (const piece of first) await client.write(piece);
    client.taken();
    while (!ended) {
      const piece = await this.#read();
      if (piece === null) return;
      await client.write(piece);
      client.taken();
    }
  }

  /**
   * Ends all that the attempt holds, the first time that it is called: `lease` says what it was for the
   * instance. Returns its line in the account.
   */
  end(outcome: TryOutcome, lease: Outcome, error = "", usage: Usage | null = null): AttemptLog {
    const log: AttemptLog = { instance: this.instance.name, outcome };
    if (this.#status !== undefined) log.status = this.#status;
    if (error !== "") log.error = error;
    // Of an answer that went on elsewhere it is the sum of all.
    if (usage !== null && this.number === 1) {
      // The Messages API counts what was cached beside the others.
      const beside = this.request.api === "messages" ? usage.cachedTokens ?? 0 : 0;
      this.lease.usage(usage.promptTokens + beside, usage.cachedTokens);
    }
    this.#close(lease, error);
    this.#trace?.end(log, usage);
    return log;
  }

  /** Leaving a scope without a word holds nothing against the instance. */
  [Symbol.dispose](): void {
    this.#close("neutral", "");
    this.#trace?.end(undefined, null);
  }

  #close(lease: Outcome, error: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.lease.release(lease === "failure" && this.#isSwallowed ? "swallowed" : lease, error);
    this.parts.clock.remove(this.#deadline);
    if (this.#total !== null) this.parts.clock.remove(this.#total);
    this.#notGone?.();
    this.#call?.abort(OVER);
  }

  #start(): void {
    const { request, ask } = this;
    const instance = this.instance.config;
    const { timeouts } = instance;
    const transport = this.parts.transportFor(this.instance);
    const headers = requestHeaders(request.client.headers, instance.apiKey, this.#id);
    const trace = this.#trace = request.trace?.attempt(request.model, instance) ?? null;
    const upstream = {
      method: request.client.method,
      url: targetUrl(instance, ask.target),
      headers: trace?.headers(headers, transport.tracesItself) ?? headers,
      body: ask.body(instance, instance.upstreamModels[request.model]),
      connectTimeoutS: timeouts.connectS,
      // Whoever begins to answer has the answer: what is silent then stands still.
      onHeard: () => {
        if (this.#phase === "answer") this.#waits();
      },
    };
    this.#call = trace === null
      ? transport.start(upstream)
      : trace.within(() => transport.start(upstream));
    const { clock } = this.parts;
    // The head of an answer that is not streamed comes when all of it is there.
    this.#phase = request.stream || request.client.method !== "POST" ? "first_byte" : "answer";
    const limitS = this.#phase === "answer" ? timeouts.answerS : timeouts.firstByteS;
    this.#deadline.at = clock.now + limitS * 1000;
    if (this.#phase === "answer") this.#answerBy = this.#deadline.at;
    if (timeouts.totalS === null) return;
    this.#total = new Deadline(() => {
      this.#phase = "total";
      this.#call?.abort(this.#timeout());
    });
    this.#total.at = clock.now + timeouts.totalS * 1000;
    clock.add(this.#total);
  }

  /** The id under which the instance sees the attempt. */
  get #id(): string {
    return this.number === 1 ? this.request.id : `${this.request.id}-${this.number}`;
  }

  /** A small question to the instance, before it is asked for the answer. */
  readonly #question: Question = async (path, body) => {
    const { request } = this;
    // Between two questions there is no call that the client's leaving could end.
    if (request.client.gone) throw GONE;
    const instance = this.instance.config;
    const model = instance.upstreamModels[request.model] ?? request.model;
    const headers = requestHeaders(JSON_TYPE, instance.apiKey, this.#id);
    this.#phase = "question";
    const until = this.#deadline.at = this.parts.clock.now + QUESTION_S * 1000;
    const call = this.#call = this.parts.transportFor(this.instance).start({
      method: body === null ? "GET" : "POST",
      url: targetUrl(instance, path),
      headers: instance.apiKey === null
        ? [...headers, ...credentialsOf(request.client.headers)]
        : headers,
      body: body === null ? [] : [encoder.encode(JSON.stringify({ model, ...body }))],
      connectTimeoutS: instance.timeouts.connectS,
    });
    const head = await call.head;
    const { pieces, isWhole } = await this.#readWhole(MAX_HELD_BYTES, until);
    // An answer without end goes on until its connection does not.
    if (!isWhole) call.abort(OVER);
    // Who cannot answer now is no proof that others cannot.
    if (NOT_NOW.has(head.status)) {
      throw new UpstreamError("head", "other", `answered ${path} with ${head.status}`);
    }
    if (head.status !== 200 || !isWhole) return null;
    return jsonIn(joined(pieces));
  };

  async #judge(head: ResponseHead): Promise<Proof> {
    const { api } = this.ask;
    switch (readingOf(head, api !== null, this.request.stream)) {
      case "refusal":
        return await this.#refusal(head);
      case "error":
        return await this.#error(head);
      case "events":
        return await this.#firstEvents(head, null);
      case "unclear":
        return await this.#firstBytes(head);
      case "whole":
        return await this.#hold(head);
      case "bytes": {
        const first = await readFrom(this.#call!);
        this.#deadline.at = Infinity;
        return { kind: "bytes", head, first: first === null ? [] : [first], ended: first === null };
      }
    }
  }

  /** 429 and 5xx: what it says is read for the message, Retry-After for the instance. */
  async #refusal(head: ResponseHead): Promise<Proof> {
    const said = refusalOf(head);
    const { kind, retryAfterS } = said;
    if (kind === "busy" && retryAfterS !== null) this.instance.holdBack(retryAfterS);
    return { kind: "failed", failure: withWords(said, await this.#words()) };
  }

  /** The words of a refusal; none when they do not come soon, or break off. */
  async #words(): Promise<Uint8Array> {
    const until = this.parts.clock.now + REFUSAL_BODY_MS;
    this.#deadline.at = Math.min(this.#deadline.at, until);
    try {
      const body = await this.#readWhole(MAX_ERROR_BYTES, until);
      return this.#secret.bytes(joined(body.pieces));
    } catch (error) {
      if (this.request.client.gone || !(error instanceof UpstreamError)) throw error;
      return NOTHING;
    }
  }

  /** Other 4xx: the client's own mistake, in the instance's words. */
  async #error(head: ResponseHead): Promise<Proof> {
    const { pieces, isWhole } = await this.#readWhole(MAX_ERROR_BYTES);
    if (!isWhole) return { kind: "bytes", head, first: pieces, ended: false };
    const body = this.#secret.bytes(joined(pieces));
    const error = readError(body, head.status);
    if (error.tooLong) return { kind: "too_long", head, body };
    const { apiKey, models } = this.instance.config;
    const terms = { ownKey: apiKey !== null, oneModel: models.length === 1 };
    const failure = operatorsFault(error, head.status, terms);
    return failure === null ? { kind: "whole", head, body } : { kind: "failed", failure };
  }

  /** A JSON answer is given on only when it is whole, so that a cut one can be asked for elsewhere. */
  async #hold(head: ResponseHead, begun = NOTHING, isOver = false): Promise<Proof> {
    const { pieces, isWhole } = isOver
      ? { pieces: [], isWhole: true }
      : await this.#readWhole(MAX_HELD_BYTES, this.#answerBy);
    if (begun.length > 0) pieces.unshift(begun);
    if (!isWhole) return { kind: "bytes", head, first: pieces, ended: false };
    const body = this.#secret.bytes(joined(pieces));
    const isAnswer = this.request.client.method === "POST" && head.status < 300;
    const failure = isAnswer ? faultOfBody(body, head.status, this.ask.api !== null) : null;
    return failure === null ? { kind: "whole", head, body } : { kind: "failed", failure };
  }

  /** A stream was asked for, and the head does not say that it is one: the first bytes do. */
  async #firstBytes(head: ResponseHead): Promise<Proof> {
    let first = NOTHING;
    for (;;) {
      const piece = await readFrom(this.#call!);
      if (piece !== null) first = joined([first, piece]);
      const isStream = looksLikeEvents(first);
      if (isStream === true) return await this.#firstEvents(head, first);
      if (isStream === false || piece === null) {
        return await this.#hold(head, first, piece === null);
      }
    }
  }

  /** Waits for the first event that means something; `begun` has been read of it. */
  async #firstEvents(head: ResponseHead, begun: Uint8Array | null): Promise<Proof> {
    const { ask, config } = this;
    const { choices } = this.request;
    // What goes through stages is kept as the client gets it.
    const keeps = ask.way === null && ask.api !== null;
    const store = keeps ? new EventStore(config.record.maxBytes) : null;
    const reader = new SseObserver(ask.api, choices, store, ask.ids(this.instance.config));
    const pieces: Uint8Array[] = [];
    for (let piece = begun ?? await readFrom(this.#call!);; piece = await readFrom(this.#call!)) {
      pieces.push((piece === null ? reader.end() : reader.take(piece)).slice());
      if (piece === null || reader.fault !== null || reader.meaningful || reader.done) break;
    }
    const first = joined(pieces);
    this.#deadline.at = Infinity;
    const start = startOf(reader, head.status, choices, this.#secret);
    if (start === "answer") return { kind: "events", head, reader, first, ended: false };
    if ("failure" in start) return { kind: "failed", failure: start.failure };
    const whole = await this.#restOfError(first, start.clientsError);
    return { kind: "events", head, reader, first: whole, ended: true };
  }

  /**
   * An error of the client's own inside a 200 stream goes to the client as it came, with the `[DONE]` that
   * servers send behind it. An instance that does not end its stream then is not waited for.
   */
  async #restOfError(first: Uint8Array, event: Uint8Array): Promise<Uint8Array> {
    const until = this.#deadline.at = this.parts.clock.now + DONE_MS;
    try {
      const { pieces } = await this.#readWhole(MAX_ERROR_BYTES, until);
      return joined(pieces.length > 0 ? [first, event, DONE] : [first, event]);
    } catch (error) {
      if (this.request.client.gone || !(error instanceof UpstreamError)) throw error;
      return joined([first, event]);
    }
  }

  /** Next bytes of the body; the idle limit runs only while the instance is waited for. */
  async #read(): Promise<Uint8Array | null> {
    this.#waits();
    const piece = await readFrom(this.#call!);
    this.#deadline.at = Infinity;
    return piece;
  }

  /** The answer got on; the pool hears of it now and then. */
  #progressed(): void {
    const { now } = this.parts.clock;
    if (now - this.#toldAt > TELL_MS) {
      this.#toldAt = now;
      this.lease.progressed();
    }
    this.#progressAt = now;
  }

  /** Comments, empty deltas and dribbled bytes are no progress; behind the end nothing is waited for. */
  #waitsForProgress(reader: SseObserver): void {
    this.#phase = "idle";
    const isOver = reader.done || (reader.finished && this.ask.api !== null);
    this.#deadline.at = isOver
      ? this.parts.clock.now + (reader.done ? DONE_MS : FINISHED_MS)
      : this.#progressAt + this.#idleS * 1000;
  }

  #waits(): void {
    this.#phase = "idle";
    this.#deadline.at = this.parts.clock.now + this.#idleS * 1000;
  }

  /**
   * Reads to the end, or until `limit` is passed. Waits no longer than the idle limit for each piece, and
   * until `until` for all of them.
   */
  async #readWhole(
    limit: number,
    until = Infinity,
  ): Promise<{ pieces: Uint8Array[]; isWhole: boolean }> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const piece = await readFrom(this.#call!);
      if (piece !== null) {
        pieces.push(this.parts.slab.copy(piece));
        size += piece.length;
      }
      if (piece === null || size > limit) {
        this.#deadline.at = Infinity;
        return { pieces, isWhole: piece === null };
      }
      if (this.#phase !== "question") this.#waits();
      if (until >= this.#deadline.at) continue;
      this.#deadline.at = until;
      if (until === this.#answerBy) this.#phase = "answer";
    }
  }

  get #idleS(): number {
    const { idleS, heldIdleS } = this.instance.config.timeouts;
    return this.request.isHeldBack ? heldIdleS : idleS;
  }

  #timeout(): UpstreamError {
    const { timeouts } = this.instance.config;
    const message = this.#phase === "question"
      ? `no answer to a question within ${QUESTION_S} s`
      : this.#phase === "first_byte"
      ? `no answer within ${timeouts.firstByteS} s (timeouts.first_byte)`
      : this.#phase === "answer"
      ? `no answer within ${timeouts.answerS} s (timeouts.answer)`
      : this.#phase === "idle"
      ? `no progress for ${this.#idleS} s in the middle of the answer (timeouts.idle)`
      : `not finished within ${timeouts.totalS} s (timeouts.total)`;
    const isHead = this.#phase === "first_byte" || this.#phase === "answer";
    return new UpstreamError(isHead ? "head" : "body", "timeout", message);
  }
}

/** What of `events` goes to the client now, noted as part of its answer; null where a stage objects. */
function staged(
  events: Uint8Array,
  stages: readonly Stage[],
  client: ClientStream,
): Uint8Array | null {
  if (stages.length === 0) return events;
  const passed = through(stages, events);
  if (passed !== null) client.keep(passed);
  return passed;
}

function isConnecting(error: unknown): boolean {
  return error instanceof UpstreamError && error.phase === "connect";
}

function jsonIn(body: Uint8Array): Json | null {
  try {
    const json = JSON.parse(new TextDecoder().decode(body));
    return isObject(json) ? json : null;
  } catch {
    // No JSON is no answer to a question.
    return null;
  }
}

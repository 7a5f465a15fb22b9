// One attempt: a request to the one instance of a lease. Owns the lease, the connection and the time
// limits, and ends them at one place. How the answer begins is read in attempt/beginning.ts, what it is
// worth is told by verdict.ts, where it goes by delivery.ts.

import type { Config } from "../config/config.ts";
import { under } from "../config/names.ts";
import type { Slab } from "../http/memory.ts";
import type { TryOutcome } from "../observe/tally.ts";
import type { AttemptTrace } from "../observe/trace.ts";
import type { Receipt } from "../pool/balancing/receipt.ts";
import type { Instance } from "../pool/instance.ts";
import type { Lease } from "../pool/lease.ts";
import type { Rank } from "../pool/rank.ts";
import type { LeaseOutcome } from "../pool/outlier.ts";
import type { Json } from "../json/json.ts";
import type { StreamFault } from "../sse/fault.ts";
import type { SseObserver } from "../sse/observer.ts";
import type { Usage } from "../sse/usage.ts";
import type { Account, AttemptLog } from "./account.ts";
import type { Ask } from "./ask.ts";
import { BeginningReader } from "./attempt/beginning.ts";
import { AnswerBody } from "./attempt/body.ts";
import { EventRelay } from "./attempt/event_relay.ts";
import { askingForLoad, asksForLoad, takeLoad } from "./attempt/load_in_answer.ts";
import { TimeLimits } from "./attempt/limits.ts";
import type { Proof } from "./attempt/proof.ts";
import { answerTo, questionTo } from "./attempt/put_question.ts";
import type { ClientStream } from "./client_stream.ts";
import type { DeadlineClock } from "./deadline.ts";
import { explainError, type Failure, timesAsked } from "./failure.ts";
import { facingClients, forRank, requestHeaders } from "./header_rules.ts";
import type { Pace } from "./pace.ts";
import type { ForwardRequest } from "./request.ts";
import { Secret } from "./secret.ts";
import type { Stage } from "./stage.ts";
import { targetUrl } from "./target.ts";
import { type Transport, type UpstreamCall, UpstreamError } from "./transport.ts";
import { decoded } from "./transport/decoded.ts";

const encoder = new TextEncoder();
/** How often it is asked whether a late connection is still worth waiting for. */
const MORE_TO_CONNECT_S = 0.5;

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
  readonly pace: Pace;
  /** Memory of whole answers. */
  readonly slab: Slab;
  transportFor(instance: Instance): Transport;
}

/** What an attempt needs of the request that it is made for. */
export interface AttemptOwner {
  readonly request: ForwardRequest;
  readonly account: Account;
  readonly config: Config;
  readonly parts: AttemptParts;
  /** Who could be asked in an instance's place. */
  readonly route: { hasOther(instance: Instance): boolean };
}

export class Attempt {
  readonly instance: Instance;
  #call: UpstreamCall | null = null;
  #trace: AttemptTrace | null = null;
  #status: number | undefined;
  /** performance.now(); the clock's is a tick behind. */
  readonly #startedAt = performance.now();
  #firstAt: number | undefined;
  #ended = false;
  /** It was told to end, whatever the connection makes of that. */
  isLeft = false;
  /** Clock of when the request went out. */
  #sentAt = 0;
  /** How its events go to the client; null before they do. */
  #relay: EventRelay | null = null;
  /** Nothing came of the request, and the wait for it is over. */
  #isSwallowed = false;
  /** The instance answers nobody, as others' requests or its health check tell. */
  #isMute = false;
  /** It went out on two connections, one after the other. */
  #wentTwice = false;
  /** The instance is asked for its load, which is nobody's business but the gateway's. */
  #asksForLoad = false;
  #notGone: (() => void) | null = null;
  /** The gateway's own key, which the instance's words shall not tell. */
  readonly #secret: Secret;
  readonly #limits: TimeLimits;

  constructor(
    private readonly owner: AttemptOwner,
    readonly ask: Ask,
    private readonly lease: Lease,
    /** 1 for the first attempt of the request. */
    private readonly number: number,
  ) {
    const { request, parts } = owner;
    this.instance = lease.instance;
    this.#secret = new Secret(lease.instance.config.apiKey);
    const { timeouts } = lease.instance.config;
    this.#limits = new TimeLimits(parts.clock, timeouts, request.isHeldBack, (why) => {
      this.#isSwallowed = this.#limits.waitsForFirst;
      this.#call?.abort(why);
    });
  }

  /** Sends the request and waits until the answer has proved itself. What is no failure of an instance is thrown. */
  async prove(): Promise<Proof> {
    const { request, config } = this.owner;
    const { client } = request;
    if (client.gone) return { kind: "gone" };
    this.#notGone = client.onGone(() => this.#call?.abort(GONE));
    this.#limits.watch();
    try {
      const { ask: { prepare } } = this;
      const prepared = prepare === undefined
        ? "ready"
        : await prepare.call(this.ask, (path, body) => this.#question(path, body));
      if (client.gone) return { kind: "gone" };
      if (prepared === "closed") return { kind: "closed" };
      if (prepared !== "ready") return { kind: "over", events: encoder.encode(prepared.end) };
      this.#start();
      this.lease.sent(request.stream ? "stream" : "whole", (why) => {
        this.#isSwallowed = this.#isMute = true;
        this.#call?.abort(new UpstreamError("head", "timeout", why));
      });
      const plain = decoded(this.#call!, await this.#call!.head, client.method);
      this.#call = plain.call;
      const { status, headers } = facingClients(plain.head, this.instance.config);
      const told = this.#asksForLoad ? takeLoad(headers, this.lease) : headers;
      const head = { status, headers: this.#secret.headers(told) };
      this.#status = status;
      const { ask, instance } = this;
      const proof = await new BeginningReader({
        request,
        ask,
        instance,
        body: this.#body(plain.call),
        limits: this.#limits,
        secret: this.#secret,
        maxStoredBytes: config.record.maxBytes,
      }).read(head);
      if (proof.kind !== "failed") this.#proved(proof, status);
      return proof;
    } catch (error) {
      if (client.gone) return { kind: "gone" };
      return { kind: "failed", failure: this.explain(error) };
    }
  }

  /** Ends it, so that the request goes on elsewhere; false where nothing runs that could be ended. */
  leave(): boolean {
    if (this.#call === null || this.#ended) return false;
    this.isLeft = true;
    this.#call.abort(
      new UpstreamError("body", "moved", "it is drained, and its streams go on elsewhere"),
    );
    return true;
  }

  /** Whether the instance may know of the request: where that cannot be told, it may. */
  get mayBeAsked(): boolean {
    return this.#call !== null && this.#call.isOut !== false;
  }

  /** How long nothing has come that takes the answer further. */
  get silentMs(): number {
    return this.owner.parts.clock.now - (this.#relay?.progressAt ?? this.#sentAt);
  }

  /** The engine works; it has computed the prompt, unless it refused the request. */
  #proved(proof: Proof, status: number): void {
    this.#firstAt = performance.now();
    this.lease.progressed();
    if (status >= 400) return;
    if (proof.kind === "events") this.lease.firstToken();
    else this.lease.answered();
  }

  /**
   * Passes the events on until the body ends, `reader` finds a fault or a stage objects (then false). Throws
   * UpstreamError.
   */
  relay(
    proof: Proof & { kind: "events" },
    stages: readonly Stage[],
    client: ClientStream,
  ): Promise<boolean> {
    const { clock, pace } = this.owner.parts;
    const { lease, ask: { api } } = this;
    this.#relay = new EventRelay({
      call: this.#call!,
      lease,
      limits: this.#limits,
      clock,
      pace,
      api,
    });
    return this.#relay.run(proof, stages, client);
  }

  /** Why the attempt failed. Rethrows what is no UpstreamError. */
  explain(error: unknown): Failure {
    const explained = explainError(error);
    const failure = this.#wentTwice ? { ...explained, askedTwice: true } as const : explained;
    if (error instanceof UpstreamError && error.fault === "refused") this.lease.refused();
    // One that is found to answer nobody is left for another, whatever its limit.
    if (failure.kind === "timeout" && this.#isMute) return { ...failure, mute: true };
    const isLimit = !this.#isSwallowed && this.#limits.waitsForAll;
    return failure.kind === "timeout" && isLimit && !isConnecting(error)
      ? { ...failure, kind: "late" }
      : failure;
  }

  /** Milliseconds that the instance's engine lived with the request; null where it did not die, by its own word. */
  lostEngineAfterMs(failure: Failure): number | null {
    const { sentAt, begun, isEngineLost } = this.lease;
    if (sentAt === null || timesAsked(failure) === 0) return null;
    const isLost = isEngineLost || (failure.kind === "engine_dead" && begun === "usual");
    return isLost ? this.instance.now() - sentAt : null;
  }

  /** Passes bytes on until the body ends. Throws UpstreamError. */
  async relayBytes(
    { first, ended }: Proof & { kind: "bytes" },
    client: ClientStream,
  ): Promise<void> {
    for (const piece of first) await client.write(piece);
    client.taken();
    if (ended) return;
    const body = this.#body(this.#call!);
    for (;;) {
      const piece = await body.next();
      if (piece === null) return;
      await client.write(piece);
      client.taken();
    }
  }

  /** What was wrong with the stream, fit to be quoted. */
  faultOf({ fault }: SseObserver): StreamFault | null {
    if (fault === null) return null;
    const event = fault.event === null ? null : this.#secret.bytes(fault.event);
    return { ...fault, message: this.#secret.text(fault.message), event };
  }

  /**
   * Ends all that the attempt holds, and writes it into the account: `lease` says what it was for the
   * instance. To be called once.
   */
  end(
    outcome: TryOutcome,
    lease: LeaseOutcome,
    error = "",
    usage: Usage | null = null,
  ): void {
    const log: AttemptLog = {
      instance: this.instance.name,
      outcome,
      startedAt: this.#startedAt,
      endedAt: performance.now(),
    };
    if (this.#firstAt !== undefined) log.firstAt = this.#firstAt;
    if (this.#status !== undefined) log.status = this.#status;
    if (error !== "") log.error = error;
    // Of an answer that went on elsewhere it is the sum of all.
    if (usage !== null && this.number === 1) {
      this.lease.usage(usage.promptTokens, usage.cachedTokens);
    }
    this.#close(lease, error);
    this.#trace?.end(log, usage);
    this.owner.account.attempted(log);
  }

  /** The data-parallel rank that the instance is asked for; null where it chooses itself. */
  get rank(): Rank | null {
    return this.lease.rank;
  }

  /** Why the request has come to this instance. */
  get receipt(): Receipt | null {
    return this.lease.receipt;
  }

  /** Leaving a scope without a word holds nothing against the instance. */
  [Symbol.dispose](): void {
    this.#close("neutral", "");
    this.#trace?.end(undefined, null);
  }

  #close(lease: LeaseOutcome, error: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.lease.release(lease === "failure" && this.#isSwallowed ? "swallowed" : lease, error);
    this.#limits.close();
    this.#notGone?.();
    this.#call?.abort(OVER);
  }

  #start(): void {
    const { ask, owner: { request, config, parts } } = this;
    const instance = this.instance.config;
    const { timeouts } = instance;
    const transport = parts.transportFor(this.instance);
    const sentAt = this.#sentAt = parts.clock.now;
    const { rank } = this.lease;
    const given = requestHeaders(request.client.headers, instance.apiKey, this.#id);
    const fields = rank === null ? given : forRank(given, rank.index);
    this.#asksForLoad = asksForLoad(config, request);
    const headers = this.#asksForLoad ? askingForLoad(fields) : fields;
    const trace = this.#trace = request.trace?.attempt(request.model, instance) ?? null;
    const upstream = {
      method: request.client.method,
      url: targetUrl(instance, ask.target),
      headers: trace?.headers(headers, transport.tracesItself) ?? headers,
      body: ask.body(instance, under(instance.upstreamModels, request.model)),
      connectTimeoutS: timeouts.connectS,
      moreToConnectS: () => {
        const leftS = timeouts.firstByteS - (parts.clock.now - sentAt) / 1000;
        return this.#isWorthConnecting ? Math.min(leftS, MORE_TO_CONNECT_S) : 0;
      },
      // What has failed once is not given to an instance twice in one attempt.
      anew: this.number > 1,
      onAgain: () => this.#wentTwice = true,
      onHeard: () => this.#limits.heard(),
    };
    this.#call = trace === null
      ? transport.start(upstream)
      : trace.within(() => transport.start(upstream));
    this.#limits.begin(!request.stream && request.client.method === "POST");
  }

  #body(call: UpstreamCall): AnswerBody {
    return new AnswerBody(call, this.#limits, this.owner.parts.slab);
  }

  /**
   * Where nobody else can answer, a connection is waited for as long as for a first byte. A broken stream
   * looks around again instead, and one whose health check fails is not there.
   */
  get #isWorthConnecting(): boolean {
    return this.ask.way === null && this.instance.condition !== "down" &&
      !this.owner.route.hasOther(this.instance);
  }

  /** The id under which the instance sees the attempt. */
  get #id(): string {
    const { id } = this.owner.request;
    return this.number === 1 ? id : `${id}-${this.number}`;
  }

  /** A small question to the instance, before it is asked for the answer. */
  async #question(path: string, body: Json | null): Promise<Json | null> {
    const { request, parts } = this.owner;
    // Between two questions there is no call that the client's leaving could end.
    if (request.client.gone) throw GONE;
    const until = this.#limits.asks();
    const question = questionTo(this.instance, path, body, request, this.#id);
    const call = this.#call = parts.transportFor(this.instance).start(question);
    return await answerTo(call, this.#body(call), path, until);
  }
}

function isConnecting(error: unknown): boolean {
  return error instanceof UpstreamError && error.phase === "connect";
}

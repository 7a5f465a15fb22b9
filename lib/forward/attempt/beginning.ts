// Reads the beginning of an instance's answer, as far as it takes to know what it is: a refusal with its
// words, an error, a whole body, the first event that means something. What that is worth is told by
// verdict.ts.

import { readError } from "../../api/error.ts";
import { joined } from "../../http/joined.ts";
import { latin1Text } from "../../http/latin1.ts";
import type { Instance } from "../../pool/instance.ts";
import { looksLikeEvents } from "../../sse/detect.ts";
import { EventStore } from "../../sse/event_store.ts";
import { SseObserver } from "../../sse/observer.ts";
import type { Ask } from "../ask.ts";
import { addsNulls, NullKeeper } from "../hidden_usage.ts";
import { redirectFault } from "../redirect.ts";
import type { ForwardRequest } from "../request.ts";
import type { Secret } from "../secret.ts";
import { readFrom, type ResponseHead, UpstreamError } from "../transport.ts";
import {
  operatorsFault,
  proofOfBody,
  readingOf,
  refusalOf,
  startOf,
  type Terms,
  withWords,
} from "../verdict.ts";
import { type AnswerBody, DONE_MS } from "./body.ts";
import type { TimeLimits } from "./limits.ts";
import type { Beginning } from "./proof.ts";

/** A whole answer is kept back up to this size, so that a cut can still fail over. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;
/** What is read of an error body. */
const MAX_ERROR_BYTES = 1024 * 1024;
/** How long the words of a refusal are waited for: its status has said what matters. */
const REFUSAL_BODY_MS = 1000;

const NOTHING = new Uint8Array(0);
const DONE = new TextEncoder().encode("data: [DONE]\n\n");
const ENDS_DONE = /\ndata:\s*\[DONE\]\s*$/;

export interface BeginningParts {
  readonly request: ForwardRequest;
  readonly ask: Ask;
  readonly instance: Instance;
  readonly body: AnswerBody;
  readonly limits: TimeLimits;
  /** The gateway's own key, which the instance's words shall not tell. */
  readonly secret: Secret;
  /** Bytes of a stream that are kept for the record. */
  readonly maxStoredBytes: number;
}

export class BeginningReader {
  constructor(private readonly parts: BeginningParts) {}

  /** Reads on until the answer that begins with `head` has proved something. Throws UpstreamError. */
  read(head: ResponseHead): Promise<Beginning> {
    const { ask, request, instance } = this.parts;
    const { api } = ask;
    const failure = redirectFault(head, request, instance.config);
    if (failure !== null) return Promise.resolve({ kind: "failed", failure });
    switch (readingOf(head, api !== null, request.stream)) {
      case "refusal":
        return this.#refusal(head);
      case "error":
        return this.#error(head);
      case "events":
        return this.#firstEvents(head, null);
      case "unclear":
        return this.#firstBytes(head);
      case "whole":
        return this.#hold(head);
      case "bytes":
        return this.#bytes(head);
    }
  }

  async #bytes(head: ResponseHead): Promise<Beginning> {
    const { body, limits } = this.parts;
    const first = await readFrom(body.call);
    limits.rest();
    return { kind: "bytes", head, first: first === null ? [] : [first], ended: first === null };
  }

  /** 429 and 5xx: what it says is read for the message, Retry-After for the instance. */
  async #refusal(head: ResponseHead): Promise<Beginning> {
    const said = refusalOf(head);
    const { kind, retryAfterS } = said;
    if (kind === "busy" && retryAfterS !== null) this.parts.instance.holdBack(retryAfterS);
    return { kind: "failed", failure: withWords(said, await this.#words()) };
  }

  /** The words of a refusal; none when they do not come soon, or break off. */
  async #words(): Promise<Uint8Array> {
    const { limits, secret, request } = this.parts;
    const until = limits.now + REFUSAL_BODY_MS;
    limits.atMost(until);
    try {
      const body = await this.parts.body.whole(MAX_ERROR_BYTES, until);
      return secret.bytes(joined(body.pieces));
    } catch (error) {
      if (request.client.gone || !(error instanceof UpstreamError)) throw error;
      return NOTHING;
    }
  }

  get #terms(): Terms {
    const { apiKey, models, listsModels } = this.parts.instance.config;
    return { ownKey: apiKey !== null, oneModel: models.length === 1 && !listsModels };
  }

  /** Other 4xx: the client's own mistake, in the instance's words. */
  async #error(head: ResponseHead): Promise<Beginning> {
    const { instance, secret } = this.parts;
    const limit = instance.config.apiKey === null ? MAX_ERROR_BYTES : MAX_HELD_BYTES;
    const { pieces, isWhole } = await this.parts.body.whole(limit);
    if (!isWhole) return { kind: "bytes", head, first: pieces, ended: false };
    const body = secret.bytes(joined(pieces));
    const error = readError(body, head.status);
    if (error.tooLong) return { kind: "too_long", head, body };
    const failure = operatorsFault(error, head.status, this.#terms);
    return failure === null
      ? { kind: "whole", head, body, parsed: null }
      : { kind: "failed", failure };
  }

  /** A JSON answer is given on only when it is whole, so that a cut one can be asked for elsewhere. */
  async #hold(head: ResponseHead, begun = NOTHING, isOver = false): Promise<Beginning> {
    const { limits, secret, request, ask } = this.parts;
    const { pieces, isWhole } = isOver
      ? { pieces: [], isWhole: true }
      : await this.parts.body.whole(MAX_HELD_BYTES, limits.answerBy);
    if (begun.length > 0) pieces.unshift(begun);
    if (!isWhole) return { kind: "bytes", head, first: pieces, ended: false };
    const body = secret.plainly(joined(pieces));
    const isAnswer = request.client.method === "POST" && head.status < 300;
    const { status } = head;
    const proof = isAnswer
      ? proofOfBody(body, status, ask.api, this.#terms, secret)
      : { answer: null };
    if ("answer" in proof) return { kind: "whole", head, body, parsed: proof.answer };
    if ("failure" in proof) return { kind: "failed", failure: proof.failure };
    const { tooLong } = proof.clientsError;
    const refused = { ...head, status: proof.clientsError.status ?? 400 };
    const told = { head: refused, body: secret.bytes(body) };
    return tooLong ? { kind: "too_long", ...told } : { kind: "whole", ...told, parsed: null };
  }

  /** A stream was asked for, and the head does not say that it is one: the first bytes do. */
  async #firstBytes(head: ResponseHead): Promise<Beginning> {
    let first = NOTHING;
    for (;;) {
      const piece = await readFrom(this.parts.body.call);
      if (piece !== null) first = joined([first, piece]);
      const isStream = looksLikeEvents(first);
      if (isStream === true) return await this.#firstEvents(head, first);
      if (isStream === false || piece === null) {
        return await this.#hold(head, first, piece === null);
      }
    }
  }

  /** Waits for the first event that means something; `begun` has been read of it. */
  async #firstEvents(head: ResponseHead, begun: Uint8Array | null): Promise<Beginning> {
    const { ask, limits, secret, request, maxStoredBytes, instance, body } = this.parts;
    const { choices } = request;
    // What goes through stages is kept as the client gets it.
    const keeps = ask.way === null && ask.api !== null;
    const store = keeps ? new EventStore(maxStoredBytes) : null;
    const { config } = instance;
    const ids = ask.ids(config);
    const hides = ask.hidesUsage(config);
    const keeper = hides ? new NullKeeper(ids, addsNulls(config)) : ids;
    const reader = new SseObserver(ask.api !== null, choices, store, keeper, hides);
    const pieces: Uint8Array[] = [];
    let last: Uint8Array = NOTHING;
    for (
      let piece = begun ?? await readFrom(body.call);;
      piece = await readFrom(body.call)
    ) {
      last = piece ?? NOTHING;
      pieces.push((piece === null ? reader.end() : reader.take(piece)).slice());
      if (piece === null || reader.fault !== null || reader.meaningful || reader.done) break;
    }
    const first = joined(pieces);
    limits.rest();
    const start = startOf(reader, head.status, choices, secret, this.#terms);
    if (start === "answer") return { kind: "events", head, reader, ids, first, ended: false };
    if ("failure" in start) return { kind: "failed", failure: start.failure };
    // A reader that meets an error looks no further.
    const whole = ENDS_DONE.test(latin1Text(last, 0, last.length))
      ? joined([first, start.clientsError, DONE])
      : await this.#restOfError(first, start.clientsError);
    return { kind: "events", head, reader, ids, first: whole, ended: true };
  }

  /**
   * An error of the client's own inside a 200 stream goes to the client as it came, with the `[DONE]` that
   * servers send behind it. An instance that does not end its stream then is not waited for.
   */
  async #restOfError(first: Uint8Array, event: Uint8Array): Promise<Uint8Array> {
    const { limits, body, request } = this.parts;
    const until = limits.now + DONE_MS;
    limits.idleUntil(until);
    try {
      const { pieces } = await body.whole(MAX_ERROR_BYTES, until);
      return joined(pieces.length > 0 ? [first, event, DONE] : [first, event]);
    } catch (error) {
      if (request.client.gone || !(error instanceof UpstreamError)) throw error;
      return joined([first, event]);
    }
  }
}

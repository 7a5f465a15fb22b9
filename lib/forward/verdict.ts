// What the beginning of an instance's answer proves: an answer, a refusal, the client's own mistake, or
// nothing yet. Pure; reading is left to attempt.ts.

import { errorInstead, type InstanceError, isErrorInstead, readError } from "../api/error.ts";
import type { Api } from "../api/api.ts";
import { dialects } from "../api/dialects.ts";
import { header } from "../http/message.ts";
import { parsePythonJson } from "../json/python_json.ts";
import { isObject, type Json } from "../json/json.ts";
import { isEventStream, mediaType } from "../sse/detect.ts";
import type { StreamFault } from "../sse/fault.ts";
import type { SseObserver } from "../sse/observer.ts";
import { bodyGaveUp, dataOf } from "../sse/scan.ts";
import { gaveUp } from "../sse/meaning.ts";
import { type Failure, passing } from "./failure.ts";
import type { Secret } from "./secret.ts";
import type { ResponseHead } from "./transport.ts";

const decoder = new TextDecoder();
const DIALECTS = Object.values(dialects);
/** Larger answers are not parsed, which would keep all others waiting. */
const MAX_PARSED_BYTES = 1024 * 1024;

/** How the body behind a head is to be read. */
export type Reading = "refusal" | "error" | "events" | "unclear" | "whole" | "bytes";

/** Statuses that are the instance's trouble, whoever asks: another one is asked. */
function isRefusal(status: number): boolean {
  return status === 429 || status === 408 || (status >= 500 && status !== 501);
}

/**
 * `understood`: the answer is of an API whose answers are read. `streamed`: the client asked for events. A
 * head that names them wrongly, or not at all, leaves it to the first bytes.
 */
export function readingOf(
  { status, headers }: ResponseHead,
  understood: boolean,
  streamed: boolean,
): Reading {
  if (isRefusal(status)) return "refusal";
  if (status >= 400) return "error";
  // A coded body, sent though none was asked for, cannot be looked into: it passes as it is.
  if ((header(headers, "content-encoding") ?? "identity") !== "identity") return "bytes";
  const type = header(headers, "content-type");
  if (isEventStream(type)) return "events";
  // Some call their events JSON.
  if (mediaType(type) === "application/json") return streamed && understood ? "unclear" : "whole";
  if (!understood) return "bytes";
  return streamed ? "unclear" : "whole";
}

/**
 * 408, 429 and 5xx: what the status says. What the words say beside it is added by `withWords`, once they
 * are there.
 */
export function refusalOf(head: ResponseHead): Failure {
  const { status } = head;
  if (status === 508) {
    return {
      message: "answered 508",
      status,
      kind: "lacks",
      upstreamStatus: 508,
      retryAfterS: null,
    };
  }
  const retryAfterS = parseRetryAfter(header(head.headers, "retry-after"));
  const busy = status === 429 || (status === 503 && retryAfterS !== null);
  return {
    message: `answered ${status}`,
    status: status === 429 || status === 503 || status === 504 ? status : 502,
    kind: busy ? "busy" : "passing",
    upstreamStatus: status,
    retryAfterS,
  };
}

/** The failure with what the instance said of it. */
export function withWords(failure: Failure, words: Uint8Array): Failure {
  const error = readError(words, failure.upstreamStatus ?? null);
  const message = error.message === "" ? failure.message : `${failure.message}: ${error.message}`;
  return { ...failureOf(error, failure), message, upstreamStatus: failure.upstreamStatus };
}

/** What an instance is asked with, as far as its refusal can be the operator's matter. */
export interface Terms {
  /** Whether the gateway lent a key of its own. */
  ownKey: boolean;
  /** Whether the instance is listed for one model alone. */
  oneModel: boolean;
}

/** A 4xx that is not the client's mistake but the operator's; null for the client's own. */
export function operatorsFault(error: InstanceError, status: number, terms: Terms): Failure | null {
  const base = { status: 502, upstreamStatus: status, retryAfterS: null } as const;
  const words = error.message === "" ? "" : `: ${error.message}`;
  if (terms.ownKey && (status === 401 || status === 403)) {
    const message = `refuses the gateway's own key (${status})${words}`;
    return { ...base, kind: "misconfigured", message };
  }
  if (status !== 404 || error.lacks === null) return null;
  if (error.lacks === "path") {
    const message = `answered ${status}${words}`;
    return { ...base, kind: "lacks", lacksPath: true, status: 404, message };
  }
  // One of several models that is missing does not cost the others.
  const kind = terms.oneModel ? "misconfigured" : "lacks";
  return { ...base, kind, message: `does not have the model that it is listed for${words}` };
}

/** What an error means for the request, wherever the instance put it: in a status, a body or a stream. */
function failureOf(error: InstanceError, base: Failure): Failure {
  const retryAfterS = base.retryAfterS ?? error.retryAfterS;
  if (error.shuttingDown) return { ...base, kind: "shutting_down", status: 503, retryAfterS };
  if (error.engineDead) return { ...base, kind: "engine_dead", retryAfterS: null };
  if (!error.busy) return { ...base, retryAfterS };
  const status = error.status === 429 ? 429 : 503;
  return { ...base, kind: "busy", status, retryAfterS };
}

/** An error that came in place of an answer, in a body or a stream whose status had been good. */
function inBand(error: InstanceError, upstreamStatus: number): Failure {
  const status = error.status === 503 || error.status === 504 ? error.status : 502;
  const base = {
    ...passing(`it sent an error: ${error.message}`, upstreamStatus),
    status,
  } as Failure;
  return failureOf(error, base);
}

/** The same of a 4xx that is the operator's; null for the client's own. */
function inBandOfOperator(error: InstanceError, terms: Terms): Failure | null {
  return error.status === null ? null : operatorsFault(error, error.status, terms);
}

/**
 * What a whole body with a good status proves. An answer is parsed for it, where it is read and not too large.
 * The client's own error has the status that it should have had.
 */
export type BodyProof =
  | { answer: Json | null }
  | { failure: Failure }
  | { clientsError: InstanceError };

/** `api` is null where nobody reads the answer: it has to end as it begins, if it is JSON. */
export function proofOfBody(
  body: Uint8Array,
  status: number,
  api: Api | null,
  terms: Terms,
  secret: Secret,
): BodyProof {
  const failed = (message: string) => ({ failure: passing(message, status) });
  if (api !== null && body.length === 0) return failed("sent an empty answer");
  if (!endsAsItBegins(body, api !== null)) return failed("sent an answer that is no whole JSON");
  if (api === null) return { answer: null };
  const isLarge = body.length > MAX_PARSED_BYTES;
  const parsed = isLarge ? null : parsedBody(body);
  if (parsed === undefined) return failed("sent an answer that is no whole JSON");
  if (parsed === null ? bodyGaveUp(body) : gaveUp(parsed)) return failed("aborted the answer");
  if (parsed === null ? errorInstead(body) !== null : isErrorInstead(parsed)) {
    const error = readError(secret.bytes(body));
    if (!error.clients) return { failure: inBand(error, status) };
    const failure = inBandOfOperator(error, terms);
    return failure === null ? { clientsError: error } : { failure };
  }
  if (parsed === null) return { answer: null };
  // Some servers answer one API in the words of another.
  const isAnswer = DIALECTS.some((dialect) => dialect.holdsAnswer(parsed));
  return isAnswer ? { answer: parsed } : failed("sent JSON without an answer");
}

/** undefined where it is no object of JSON. */
function parsedBody(body: Uint8Array): Json | undefined {
  try {
    const parsed = parsePythonJson(decoder.decode(body));
    return isObject(parsed) ? parsed : undefined;
  } catch {
    // Broken inside, which its two ends do not tell.
    return undefined;
  }
}

/** What the first events of a stream prove, once they prove something or the stream has ended. */
export type Start = "answer" | { failure: Failure } | { clientsError: Uint8Array };

/** `secret` is struck out of what the instance said. */
export function startOf(
  reader: SseObserver,
  status: number,
  choices: number,
  secret: Secret,
  terms: Terms,
): Start {
  const { fault } = reader;
  if (fault !== null && fault.event !== null) {
    const event = secret.bytes(fault.event);
    const error = readError(dataOf(event, 0, event.length));
    const failure = error.clients && !reader.meaningful ? inBandOfOperator(error, terms) : null;
    if (failure !== null) return { failure };
    if (error.clients) return { clientsError: event };
    if (choices > 1 || !reader.meaningful) return { failure: inBand(error, status) };
  } else if (fault !== null) {
    // Several answers at once cannot be continued; nothing of them has been sent, so they begin anew.
    if (choices > 1 || !reader.meaningful) return { failure: passing(fault.message, status) };
  }
  if (reader.meaningful) return "answer";
  const message = reader.pending > 0
    ? "broke off the stream inside its first event"
    : "ended the stream before the answer began";
  return { failure: passing(message, status) };
}

/** Why a stream broke off, in words fit for a client. */
export function wordsOf(fault: StreamFault): string {
  const error = errorOf(fault);
  return error === null ? fault.message : `${fault.message}: ${error.message || "unknown"}`;
}

/** Whether a stream ends with the instance's word that its engine is lost. */
export function saysEngineDead(fault: StreamFault | null): boolean {
  return fault !== null && errorOf(fault)?.engineDead === true;
}

function errorOf({ event }: StreamFault): InstanceError | null {
  return event === null ? null : readError(dataOf(event, 0, event.length));
}

/** Seconds from a Retry-After header, a number or an HTTP date; null when there is none that makes sense. */
function parseRetryAfter(value: string | undefined): number | null {
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
function endsAsItBegins(body: Uint8Array, objectDue: boolean): boolean {
  // Some write the mark of UTF-8 before it.
  let first = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;
  while (first < body.length && body[first] <= 32) first++;
  let last = body.length - 1;
  while (last > first && body[last] <= 32) last--;
  if (body[first] === 123 /* { */) return last > first && body[last] === 125 /* } */;
  if (objectDue) return false;
  return body[first] !== 91 /* [ */ || (last > first && body[last] === 93 /* ] */);
}

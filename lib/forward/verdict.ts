// What the beginning of an instance's answer proves: an answer, a refusal, the client's own mistake, or
// nothing yet. Pure; reading is left to attempt.ts.

import { latin1Text } from "../http/latin1.ts";
import { header } from "../http/message.ts";
import { bodyGaveUp } from "../sse/scan.ts";
import { type Failure, passing } from "./failure.ts";
import { errorIn, type SseObserver, type StreamFault } from "./sse_observer.ts";
import type { ResponseHead } from "./transport.ts";

/** How the body behind a head is to be read. */
export type Reading = "refusal" | "error" | "events" | "whole" | "bytes";

/** `understood`: the answer is of an API whose answers are read. */
export function readingOf({ status, headers }: ResponseHead, understood: boolean): Reading {
  if (status === 429 || (status >= 500 && status !== 501)) return "refusal";
  if (status >= 400) return "error";
  // A coded body, sent though none was asked for, cannot be looked into: it passes as it is.
  if ((header(headers, "content-encoding") ?? "identity") !== "identity") return "bytes";
  const type = (header(headers, "content-type") ?? "").toLowerCase();
  if (type.startsWith("text/event-stream")) return "events";
  return type.startsWith("application/json") || understood ? "whole" : "bytes";
}

/** 429 and 5xx. */
export function refusalOf(head: ResponseHead): Failure {
  const { status } = head;
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

/** Why a whole body is no answer; null where it is one. */
export function faultOfBody(
  body: Uint8Array,
  status: number,
  understood: boolean,
): Failure | null {
  if (understood && body.length === 0) return passing("sent an empty answer", status);
  if (!endsAsItBegins(body, understood)) {
    return passing("sent an answer that is no whole JSON", status);
  }
  if (!understood) return null;
  if (bodyGaveUp(body)) return passing("aborted the answer", status);
  const error = errorInstead(body);
  return error === null ? null : passing(error, status);
}

/** What the first events of a stream prove, once they prove something or the stream has ended. */
export type Start = "answer" | { failure: Failure } | { clientsError: Uint8Array };

export function startOf(reader: SseObserver, status: number, choices: number): Start {
  const { fault } = reader;
  if (fault !== null) {
    if (isClients(fault)) return { clientsError: fault.event! };
    if (fault.code === 429) {
      const { message } = fault;
      return {
        failure: { message, status: 429, kind: "busy", upstreamStatus: 429, retryAfterS: null },
      };
    }
    // Several answers at once cannot be resumed; nothing of them has been sent, so they begin anew.
    if (choices > 1 || !reader.meaningful) return { failure: passing(fault.message, status) };
  }
  if (reader.meaningful) return "answer";
  const message = reader.pending > 0
    ? "broke off the stream inside its first event"
    : "ended the stream before the answer began";
  return { failure: passing(message, status) };
}

function isClients({ event, code }: StreamFault): boolean {
  return event !== null && code !== null && code >= 400 && code < 500 && code !== 429;
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
function endsAsItBegins(body: Uint8Array, objectDue: boolean): boolean {
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
export function saysTooLong(body: Uint8Array): boolean {
  const text = new TextDecoder().decode(body.subarray(0, 4096));
  return /maximum (context|model) length|context_length_exceeded|max_model_len|longer than the maximum/i
    .test(text);
}

/** "This model's maximum context length is 4096 tokens": vLLM's and OpenAI's words; null without. */
export function contextNamedIn(body: Uint8Array): number | null {
  const text = new TextDecoder().decode(body.subarray(0, 4096));
  const found = /maximum (?:context|model) length (?:is|of) (\d{1,9})/i.exec(text);
  return found === null ? null : Number(found[1]);
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

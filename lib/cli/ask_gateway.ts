// Asks a running gateway by the API of its dashboard.

import { isObject, type Json, objectIn } from "../json/json.ts";
import { printable } from "./printable.ts";
import { reasonOf } from "./probe.ts";

const TIMEOUT_MS = 10_000;
/** Of an error's words. */
const MAX_CHARS = 1000;

export interface GatewayPlace {
  /** With or without /v1. */
  readonly url: string;
  readonly token: string | undefined;
}

/**
 * GET without a body, else POST. `T` is what the path answers; `holds` whether what is read of it is there. Throws an
 * Error with what to do about it.
 */
export async function askGateway<T>(
  { url, token }: GatewayPlace,
  path: string,
  holds: (answer: Json) => boolean,
  body?: unknown,
  timeoutMs = TIMEOUT_MS,
): Promise<T> {
  const base = url.replace(/\/+$/, "").replace(/\/v1$/, "");
  let response: Response;
  try {
    response = await fetch(`${base}/dashboard/api/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: body === undefined ? undefined : JSON.stringify(body),
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    throw new Error(`no gateway answers at ${base}: ${reasonOf(error)}; --url names another`);
  }
  const text = await response.text();
  if (response.ok) return answerIn(text, base, holds);
  const next = response.status === 401 || response.status === 403 ? nextStep(token) : "";
  throw new Error(`${base} answered ${response.status}: ${messageIn(text)}${next}`);
}

function nextStep(token: string | undefined): string {
  return token === undefined
    ? "; pass --token, or set ADMIN_TOKEN, to the configuration's admin.token"
    : "; the one that was sent (--token, else ADMIN_TOKEN) is not the gateway's";
}

/** What a gateway answered, an object that `holds` what is read of it. Throws an Error that says so where it does not. */
export function answerIn<T>(text: string, base: string, holds: (answer: Json) => boolean): T {
  const answer = objectIn(text);
  // Beyond that a gateway is believed to be of this version.
  if (answer !== null && holds(answer)) return answer as T;
  throw new Error(`${base} answered as no gateway does; --url names another`);
}

/** Whether it says that what was asked for is done. */
export function isDone({ ok }: Json): boolean {
  return ok === true;
}

/** What an error says: whoever has sent it shall not steer the terminal. */
export function messageIn(text: string): string {
  const error = objectIn(text)?.error;
  const message = isObject(error) ? error.message : undefined;
  // Some other server's error is told as it came.
  const words = typeof message === "string" ? message : text;
  return printable(words.slice(0, MAX_CHARS), " ");
}

// How a question is put to an instance (see question.ts), and what counts as its answer.

import { upstreamName } from "../../config/names.ts";
import { joined } from "../../http/joined.ts";
import { isObject, type Json } from "../../json/json.ts";
import { credentialsOf, requestHeaders } from "../header_rules.ts";
import type { Instance } from "../../pool/instance.ts";
import type { ForwardRequest } from "../request.ts";
import { targetUrl } from "../target.ts";
import { type UpstreamCall, UpstreamError, type UpstreamRequest } from "../transport.ts";
import type { AnswerBody } from "./body.ts";

const encoder = new TextEncoder();
/** What is read of the answer. */
const MAX_BYTES = 32 * 1024 * 1024;
/** Statuses of who may answer later; 500 is what some say to a path that they do not have. */
const NOT_NOW: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const JSON_TYPE = [["content-type", "application/json"]] as const;
const ENDLESS = new Error("its answer is longer than any to a question");

/** The question as it goes out, under the id of its attempt. */
export function questionTo(
  { config: instance }: Instance,
  path: string,
  body: Json | null,
  request: ForwardRequest,
  id: string,
): UpstreamRequest {
  const model = upstreamName(instance, request.model);
  const headers = requestHeaders(JSON_TYPE, instance.apiKey, id);
  return {
    method: body === null ? "GET" : "POST",
    url: targetUrl(instance, path),
    headers: instance.apiKey === null
      ? [...headers, ...credentialsOf(request.client.headers)]
      : headers,
    body: body === null ? [] : [encoder.encode(JSON.stringify({ model, ...body }))],
    connectTimeoutS: instance.timeouts.connectS,
  };
}

/**
 * The answer, where it is one: a 200 with a JSON object; else null. Throws UpstreamError where the instance
 * cannot answer just now. `until` is the clock by which all of it must have come.
 */
export async function answerTo(
  call: UpstreamCall,
  answer: AnswerBody,
  path: string,
  until: number,
): Promise<Json | null> {
  const { status } = await call.head;
  const { pieces, isWhole } = await answer.whole(MAX_BYTES, until);
  // One without end goes on until its connection does not.
  if (!isWhole) call.abort(ENDLESS);
  // Who cannot answer now is no proof that others cannot.
  if (NOT_NOW.has(status)) {
    throw new UpstreamError("head", "other", `answered ${path} with ${status}`);
  }
  return status === 200 && isWhole ? jsonIn(joined(pieces)) : null;
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

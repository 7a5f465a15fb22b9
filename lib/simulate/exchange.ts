// One request on its way through a simulated instance: what came, how to answer, which fault it
// meets and at what speed it is served.

import { ApiError, badParameter, internalError, invalidBody } from "./errors.ts";
import type { Fault } from "./faults.ts";
import type { Reply } from "./http_reply.ts";
import type { Request } from "./http_request.ts";

/** What GET /simulate/requests shows of a request. */
export interface LogEntry {
  id: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: unknown;
  peer: number;
  status: number | null;
  fault: string | null;
  aborted: boolean;
  finished: boolean;
  tokens_sent: number;
}

/** A JSON object from outside. */
export type Json = Record<string, unknown>;

export interface Exchange {
  request: Request;
  reply: Reply;
  log: LogEntry;
  fault: Fault | null;
  ttftS: number;
  tokensPerSecond: number;
  /** Tokens of text that the answer shall have; null for what the instance says. */
  tokens: number | null;
  /** Base of the answer's id. */
  id: string;
}

type Pace = Pick<Exchange, "ttftS" | "tokensPerSecond" | "tokens">;

/** The speed and length that the request's headers ask for, else the instance's. */
export function settings(
  headers: Record<string, string>,
  options: Pace,
): Pace {
  const number = (name: string): number | null => {
    const text = headers[name];
    if (text === undefined) return null;
    const value = Number(text);
    if (text.trim() === "" || !(value >= 0)) {
      throw badParameter(`header ${name}: expected a number, not "${text}"`, name);
    }
    return value;
  };
  return {
    ttftS: number("x-simulate-ttft") ?? options.ttftS,
    tokensPerSecond: number("x-simulate-tokens-per-second") ?? options.tokensPerSecond,
    tokens: number("x-simulate-tokens") ?? options.tokens,
  };
}

/** The request's body as a JSON object. Throws ApiError 400. */
export function jsonBody(request: Request): Json {
  const type = (request.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
  if (type !== "application/json") {
    throw new ApiError(
      400,
      "Bad Request",
      "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(request.body));
  } catch (error) {
    throw invalidBody("json_invalid", "", `JSON decode error: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidBody("model_attributes_type", "", "Input should be a valid dictionary");
  }
  return value as Json;
}

/** Answers with JSON, or with what the request's fault makes of it. */
export function sendJson(exchange: Exchange, body: unknown, status = 200): void {
  const { reply, fault } = exchange;
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const half = bytes.subarray(0, Math.floor(bytes.length / 2));
  const type = { "content-type": "application/json" };
  switch (fault?.kind) {
    case "cut":
    case "cut-reset":
      reply.begin(status, { ...type, "content-length": String(bytes.length) });
      reply.write(half);
      if (fault.kind === "cut") reply.close();
      else reply.reset();
      return;
    case "cut-clean":
      reply.begin(status, type);
      reply.write(half);
      reply.end();
      return;
    case "malformed":
      reply.send(status, type, half);
      return;
    case "stall":
      return;
    case "error-event":
      sendError(exchange, internalError());
      return;
    default:
      reply.send(status, type, bytes);
  }
}

/** Answers with an error. */
export function sendError(exchange: Pick<Exchange, "reply">, error: ApiError): void {
  exchange.reply.send(
    error.status,
    { "content-type": "application/json", ...error.headers },
    error.body(),
  );
}

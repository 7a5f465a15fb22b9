// The paths under /simulate/ that only a simulated instance has: what it was asked, faults at run time,
// everything back to the beginning.

import { ApiError, badParameter } from "./errors.ts";
import { type Json, jsonBody, type LogEntry } from "./exchange.ts";
import { type Fault, type FaultRule, type Faults, isServerFault, parseFault } from "./faults.ts";
import type { Reply } from "./http_reply.ts";
import type { Request } from "./http_request.ts";

/** What the control paths reach of an instance. */
export interface Controlled {
  readonly faults: Faults;
  log(): readonly LogEntry[];
  /** Does a fault of the whole server. */
  befall(fault: Fault): void;
  reset(): void;
}

/** Answers a request under /simulate/. Throws ApiError 400 or 404. */
export function control(request: Request, reply: Reply, instance: Controlled): void {
  const answer = (value: unknown) =>
    reply.send(200, { "content-type": "application/json" }, JSON.stringify(value));
  switch (`${request.method} ${request.path}`) {
    case "GET /simulate/requests":
      return answer({ requests: instance.log() });
    case "GET /simulate/fail":
      return answer({ faults: instance.faults.list() });
    case "POST /simulate/fail": {
      const rule = readRule(jsonBody(request));
      // These concern the whole server, so they hold from now on, not from the next request on.
      const now = isServerFault(rule.kind) && rule.word === null;
      if (!now) instance.faults.add(rule);
      answer({ faults: instance.faults.list() });
      if (now) instance.befall(rule);
      return;
    }
    case "POST /simulate/reset":
      instance.reset();
      return answer({ reset: true });
    default:
      throw new ApiError(404, "Not Found", "Not Found");
  }
}

function readRule(body: Json): FaultRule {
  const rule = readFault(String(body.kind));
  if (typeof body.number === "number") rule.number = body.number;
  if (typeof body.retryAfterS === "number") rule.retryAfterS = body.retryAfterS;
  if (typeof body.count === "number") rule.count = body.count;
  if (typeof body.probability === "number") rule.probability = body.probability;
  if (typeof body.path === "string") rule.path = body.path;
  if (typeof body.word === "string") rule.word = body.word;
  return rule;
}

/** A fault from outside. Throws ApiError 400. */
export function readFault(text: string): FaultRule {
  try {
    return parseFault(text);
  } catch (error) {
    if (error instanceof RangeError) throw badParameter(error.message, "x-simulate-fail");
    throw error;
  }
}

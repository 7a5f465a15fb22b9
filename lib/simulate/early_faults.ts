// The faults that a request meets before its answer: no head, a refusal, an empty body, odd pieces.

import { ApiError, badParameter, busy, engineDead, internalError, shuttingDown } from "./errors.ts";
import type { Fault } from "./faults.ts";
import type { Reply } from "./http_reply.ts";
import type { Request } from "./http_request.ts";

/**
 * Does the faults that come before an answer; false when an answer shall be made. `befall` does those
 * of the whole server. Throws ApiError where the fault is an error's answer.
 */
export function failEarly(
  fault: Fault,
  request: Request,
  reply: Reply,
  befall: (fault: Fault) => void,
): boolean {
  const retryAfter: Record<string, string> = fault.retryAfterS === null
    ? {}
    : { "retry-after": String(fault.retryAfterS) };
  const streaming = reply.status === null && wantsStream(request);
  switch (fault.kind) {
    case "refuse":
      reply.reset();
      befall(fault);
      return true;
    case "engine-killed":
      befall(fault);
      // It is in the engine until then, as are all others.
      if (fault.number) return false;
      throw engineDead();
    case "engine-dead":
      befall(fault);
      throw engineDead();
    case "terminate":
    case "engine-hung":
    case "asleep":
    case "paused":
      befall(fault);
      return false;
    case "full":
      throw busy();
    case "full-event":
      if (!streaming) throw busy();
      sendEvents(reply, `data: ${busy().body()}\n\ndata: [DONE]\n\n`);
      return true;
    case "draining":
      throw shuttingDown();
    case "hang":
      return true;
    case "hang-headers-sent":
      reply.begin(200, {
        "content-type": streaming ? "text/event-stream; charset=utf-8" : "application/json",
      });
      return true;
    case "reset":
      reply.reset();
      return true;
    case "close":
      reply.close();
      return true;
    case "400":
      throw badParameter("simulated: the request is refused");
    case "429":
      throw new ApiError(429, "RateLimitError", "simulated: too many requests", null, retryAfter);
    case "500":
      throw internalError();
    case "503":
      throw new ApiError(
        503,
        "ServiceUnavailableError",
        "simulated: the service is not available",
        null,
        retryAfter,
      );
    case "empty":
    case "empty-done":
      reply.begin(200, {
        "content-type": streaming ? "text/event-stream; charset=utf-8" : "application/json",
      });
      if (fault.kind === "empty-done" && streaming) {
        reply.write(new TextEncoder().encode("data: [DONE]\n\n"));
      }
      reply.end();
      return true;
    case "slow-head":
      reply.dribble = { maxPiece: 8, pauseMs: 10, headOnly: true };
      return false;
    case "split":
      reply.dribble = { maxPiece: 40, pauseMs: 1, headOnly: false };
      return false;
    case "drip":
      reply.dribble = { maxPiece: 1, pauseMs: 0, headOnly: false };
      return false;
    default:
      return false;
  }
}

function sendEvents(reply: Reply, text: string): void {
  reply.begin(200, { "content-type": "text/event-stream; charset=utf-8" });
  reply.write(new TextEncoder().encode(text));
  reply.end();
}

function wantsStream(request: Request): boolean {
  return /"stream"\s*:\s*("?true|1)/i.test(new TextDecoder().decode(request.body));
}

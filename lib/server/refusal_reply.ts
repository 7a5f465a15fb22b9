// How a refused request is answered: in the error shape of the API that was asked, with the fields by which
// clients decide whether and when to come again.

import { errorBodyAt } from "../api/dialects.ts";
import { retryHeaders } from "../caller/limit_headers.ts";
import { Refusal } from "../caller/refusal.ts";
import { type RequestError, WrongMethod } from "../http/client.ts";
import { type HeaderList, pathOf } from "../http/message.ts";
import { openAiError } from "../http/openai_error.ts";
import { PolicyRefusal } from "../policy/policy.ts";
import { NoRoom } from "./body_room.ts";

const encoder = new TextEncoder();

/** Fields beside those of every error, and the body, for a request of `target`. */
export function refusalReply(
  target: string,
  error: RequestError,
): { headers: HeaderList; body: Uint8Array } {
  const { status, message, param } = error;
  const path = pathOf(target);
  const isMessages = path === "/v1/messages" || path.startsWith("/v1/messages/");
  const plain = errorBodyAt(target, status, message, param);
  if (error instanceof PolicyRefusal && !isMessages) {
    const said = openAiError(status, message, param).error;
    const body = encoder.encode(JSON.stringify({ error: { ...said, reason: error.reason } }));
    return { headers: [], body };
  }
  if (error instanceof WrongMethod) return { headers: [["allow", error.allow]], body: plain };
  if (error instanceof NoRoom) return { headers: retryHeaders(error.waitMs, true), body: plain };
  if (!(error instanceof Refusal)) return { headers: [], body: plain };
  const { reason, waitMs = null, shouldRetry = true, limit, remaining } = error.facts;
  const retry = status === 429 || status === 503 ? retryHeaders(waitMs, shouldRetry) : [];
  const type = reason.startsWith("budget_") ? "insufficient_quota" : null;
  return {
    headers: retry,
    body: isMessages ? plain : encoder.encode(JSON.stringify({
      error: {
        ...openAiError(status, message, param, type).error,
        reason,
        ...(limit === undefined ? {} : { limit }),
        ...(remaining === undefined ? {} : { remaining }),
      },
    })),
  };
}

// Why an attempt gave no answer, or not all of it.

import { UpstreamError } from "./transport.ts";

export interface Failure {
  /** Fit for a client: what the instance did, without address or key. */
  message: string;
  /** Final status if no other attempt succeeds. */
  status: 404 | 429 | 502 | 503 | 504;
  /**
   * busy: it said so itself and is no failure. passing: worth asking again soon. late: it has had all the
   * time that a whole answer may take; that is not held against it, nor asked of another. shutting_down:
   * it takes nothing new until it is gone and back. misconfigured: it refuses what it is listed for. lacks:
   * it does not know the path, which others may.
   */
  kind: "busy" | "passing" | "timeout" | "late" | "shutting_down" | "misconfigured" | "lacks";
  /** What the instance answered, where it did. */
  upstreamStatus?: number;
  retryAfterS: number | null;
}

/** A failure that may be over soon. */
export function passing(message: string, upstreamStatus?: number): Failure {
  return { message, status: 502, kind: "passing", upstreamStatus, retryAfterS: null };
}

/** A failure in words and kind. Rethrows anything but an UpstreamError: that is the gateway's own. */
export function explainError(error: unknown): Failure {
  if (!(error instanceof UpstreamError)) throw error;
  const timedOut = error.fault === "timeout";
  return {
    message: error.message,
    status: timedOut ? 504 : 502,
    kind: timedOut ? "timeout" : "passing",
    retryAfterS: null,
  };
}

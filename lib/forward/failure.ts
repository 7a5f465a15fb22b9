// Why an attempt gave no answer, or not all of it.

import type { LeaseOutcome } from "../pool/outlier.ts";
import { UpstreamError } from "./transport.ts";

/** What the gateway lacks is mostly there again soon. */
const SCARCE_RETRY_S = 1;

export interface Failure {
  /** Fit for a client: what the instance did, without address or key. */
  message: string;
  /** Final status if no other attempt succeeds. */
  status: 404 | 429 | 502 | 503 | 504 | 508;
  /**
   * busy: it said so itself and is no failure. passing: worth asking again soon. late: it has had all the
   * time that a whole answer may take; that is not held against it, nor asked of another. shutting_down:
   * it takes nothing new until it is gone and back. engine_dead: the same, by its own words, and what it had is
   * lost. misconfigured: it refuses what it is listed for. lacks:
   * it does not know the path, or leads back to here; others may serve. scarce: the gateway itself lacked
   * what a connection takes. moved: somebody wants the instance free; it has done nothing wrong.
   */
  kind:
    | "busy"
    | "passing"
    | "timeout"
    | "late"
    | "shutting_down"
    | "engine_dead"
    | "misconfigured"
    | "lacks"
    | "scarce"
    | "moved";
  /** Nothing was sent: the instance knows nothing of the request. */
  notAsked?: true;
  /** It went out on a kept connection, which ended, and once more on a new one: it may have been read twice. */
  askedTwice?: true;
  /**
   * The instance was found to answer nobody while the request waited there: no limit of the request's own is
   * over, and once the instance answers others it may be asked again.
   */
  mute?: true;
  /** It does not know the path that the client asked for: it would say so again, and is asked no more. */
  lacksPath?: true;
  /** What the instance answered, where it did. */
  upstreamStatus?: number;
  retryAfterS: number | null;
}

/** How often the instance was given the request: never where it refused, or the gateway lacked a connection. */
export function timesAsked({ notAsked, askedTwice, kind }: Failure): number {
  if (notAsked || kind === "scarce") return 0;
  return askedTwice ? 2 : 1;
}

/** A failure that may be over soon. */
export function passing(message: string, upstreamStatus?: number): Failure {
  return { message, status: 502, kind: "passing", upstreamStatus, retryAfterS: null };
}

/** A failure in words and kind. Rethrows anything but an UpstreamError: that is the gateway's own. */
export function explainError(error: unknown): Failure {
  if (!(error instanceof UpstreamError)) throw error;
  if (error.fault === "scarce") {
    return { message: error.message, status: 503, kind: "scarce", retryAfterS: SCARCE_RETRY_S };
  }
  if (error.fault === "moved") {
    return { message: error.message, status: 503, kind: "moved", retryAfterS: null };
  }
  const timedOut = error.fault === "timeout";
  return {
    message: error.message,
    status: timedOut ? 504 : 502,
    kind: timedOut ? "timeout" : "passing",
    ...(error.phase === "connect" ? { notAsked: true } as const : {}),
    retryAfterS: null,
  };
}

const LEASE_OUTCOMES: Readonly<Record<Failure["kind"], LeaseOutcome>> = {
  busy: "busy",
  passing: "failure",
  timeout: "failure",
  late: "neutral",
  shutting_down: "shutting_down",
  engine_dead: "engine_dead",
  misconfigured: "misconfigured",
  lacks: "neutral",
  scarce: "neutral",
  moved: "neutral",
};

/** What a failure of this kind says of the instance. */
export function leaseOutcome(kind: Failure["kind"]): LeaseOutcome {
  return LEASE_OUTCOMES[kind];
}

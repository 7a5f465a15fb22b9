// What the end of a stream that went to the client means for the answer: whether it is whole, or has to go on
// elsewhere. Pure; what follows is left to delivery.ts and after_break.ts.

import type { Api } from "../api/api.ts";
import type { LeaseOutcome } from "../pool/outlier.ts";
import type { StreamFault } from "../sse/fault.ts";
import type { SseObserver } from "../sse/observer.ts";
import type { Failure } from "./failure.ts";
import { isOver, type Stage } from "./stage.ts";
import { saysEngineDead, wordsOf } from "./verdict.ts";

/** What is known once nothing more comes. */
export interface Ending {
  /** The API of the answer; null where it is not understood. */
  readonly api: Api | null;
  readonly reader: SseObserver;
  readonly stages: readonly Stage[];
  /** Whether the answer was the one that the client has a part of already. */
  readonly agrees: boolean;
  /** Why the connection ended before the body did; null where it did not. */
  readonly failure: Failure | null;
  /** What the client must not take for an answer, in words that tell no secrets. */
  readonly fault: StreamFault | null;
  /** The instance was left on purpose. */
  readonly isLeft: boolean;
}

export type StreamEnd =
  /** `isClosed`: nothing is missing behind its finish. */
  | { readonly kind: "whole"; readonly isClosed: boolean }
  | { readonly kind: "differs" }
  | {
    readonly kind: "broken";
    readonly words: string;
    /** For the instance. */
    readonly lease: LeaseOutcome;
    /** Nobody has to be asked for anything: the client's time is over, or the answer is but for its end. */
    readonly isOver: boolean;
    /** It sent what cannot be read: so it may do again, because of what it is asked. */
    readonly isOdd: boolean;
  };

const LEFT = "it is drained, and its streams go on elsewhere";

export function streamEnd(
  { api, reader, stages, agrees, failure, fault, isLeft }: Ending,
): StreamEnd {
  const said = fault === null ? failure?.message : wordsOf(fault);
  // An answer that had ended is whole, even when the connection then broke. Where its end is not
  // understood, only the connection tells.
  const isAtEnd = api === null
    ? reader.isComplete && said === undefined
    : reader.finished || isOver(stages);
  if (agrees && fault === null && isAtEnd && stages.every((stage) => stage.caughtUp)) {
    return { kind: "whole", isClosed: failure === null && isClosed(reader, api) };
  }
  if (!agrees) return { kind: "differs" };
  const isLate = failure?.kind === "late";
  return {
    kind: "broken",
    words: isLeft ? LEFT : said ?? "it ended the stream before the answer was whole",
    lease: isLate || isLeft ? "neutral" : saysEngineDead(fault) ? "engine_dead" : "failure",
    // Behind the finish nobody has anything to add, whatever the instance says of itself.
    isOver: isLate || (fault !== null && reader.finished),
    isOdd: fault?.kind === "malformed",
  };
}

/** Whether the last event of the API went by: some servers end behind the finish, and some clients wait for it. */
export function isClosed({ done, finishes }: SseObserver, api: Api | null): boolean {
  return api === "chat" || api === "completions" ? done : done || finishes > 0;
}

// A client's request as it is forwarded.

import type { Account } from "./account.ts";
import type { ClientRequest, RequestError } from "../http/client.ts";
import type { RequestTrace } from "../observe/trace.ts";
import type { Api } from "../api/api.ts";
import type { Policed } from "../policy/policy.ts";
import type { Prompt } from "../pool/prefix/chain.ts";
import type { Span } from "./target.ts";

/** What a caller's limits want of the forward loop. */
export interface Terms {
  /** Where the request has to wait before anybody is asked; what came of it. null where it need not. */
  readonly gate: (() => Promise<"passed" | "gone" | RequestError>) | null;
  /** A place in an instance's line: what gives it back; null where the caller has its share of the line. */
  takePlace(): (() => void) | null;
  /** Why there was none. */
  readonly noPlaceWords: string;
  /** Whose answers that instances keep are; a number for the caller. */
  readonly owner: number;
  /** Whether the instance has to say how many tokens an answer took. */
  readonly asksUsage: boolean;
  /** About how many the prompt has, before anybody has counted them. */
  readonly promptTokens: number;
  /**
   * The client is about to have the end of its answer: once it has, it may ask again at once, and shall find
   * its limits as they are then.
   */
  ending(request: ForwardRequest, account: Account): void;
}

/** It is whole from the beginning, and of one class (server/forward_request.ts). */
export interface ForwardRequest {
  readonly id: string;
  readonly client: ClientRequest;
  /** As the client wrote it, with its query. */
  readonly target: string;
  /** The target without its query. */
  readonly path: string;
  readonly body: Uint8Array;
  /** The API whose answers are understood and recorded; null for all others. */
  readonly api: Api | null;
  /** The model's name here. */
  readonly model: string;
  /** Where it stands in the body; empty when it stands nowhere. */
  readonly modelSpans: readonly Span[];
  /** Whether a replacement is written as a JSON string (else as plain text of a form). */
  readonly jsonBody: boolean;
  /** Whether the client asked for a stream. */
  readonly stream: boolean;
  /** Where the client says what it wants of its stream; empty where it says nothing. */
  readonly streamOptions: readonly Span[];
  /** Answers asked for at once (`n`, several prompts); 1 where not known to be more. */
  readonly choices: number;
  /** Where the prompt stands in the body. */
  readonly prompt: Prompt;
  /** Whether the client asked for token ids itself. */
  readonly wantsIds: boolean;
  /** The answer is to begin with the prompt. */
  readonly echoes: boolean;
  /** Whether a server may hold the answer back, since it has tools or a schema to meet. */
  readonly isHeldBack: boolean;
  /** The client wants nothing of the answer to be kept for later. */
  readonly isForgotten: boolean;
  /** Whether it is one that instances lend their own key for; else only some may be asked. */
  readonly isInference: boolean;
  /** Higher is served earlier when requests wait. */
  readonly priority: number;
  /** Instance to prefer (it keeps the state that the request refers to), or null. */
  readonly stickyTo: string | null;
  /** Stands for the conversation that it belongs to; 0 where that is not said. */
  readonly session: number;
  /** How much the client is told of why an instance was chosen. */
  readonly routeTold: RouteTold;
  /** What policies have made of it, and what they say of its answer; null where none has a say. */
  readonly policed: Policed | null;
  /** null where anyone may ask for anything. */
  readonly terms: Terms | null;
  /** Where it is traced; null where it is not. */
  readonly trace: RequestTrace | null;
}

export type RouteTold = "off" | "short" | "full";

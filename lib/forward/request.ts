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
  ending(account: Account): void;
}

export class ForwardRequest {
  /** Where it is traced. */
  trace: RequestTrace | null = null;
  /** What policies have made of it, and what they say of its answer; null where none is in force. */
  policed: Policed | null = null;
  /** Whether it is one that instances lend their own key for; else only some may be asked. */
  isInference = true;
  /** null where anyone may ask for anything. */
  terms: Terms | null = null;
  /** How much the client is told of why an instance was chosen. */
  routeTold: "off" | "short" | "full" = "off";
  /** Stands for the conversation that it belongs to; 0 where that is not said. */
  session = 0;
  /** The client wants nothing of the answer to be kept for later. */
  isForgotten = false;
  /** The answer is to begin with the prompt. */
  echoes = false;
  /** Where the client says what it wants of its stream; empty where it says nothing. */
  streamOptions: readonly Span[] = [];

  constructor(
    readonly id: string,
    readonly client: ClientRequest,
    readonly target: string,
    readonly body: Uint8Array,
    /** The model's name as the client wrote it. */
    readonly model: string,
    /** Where it stands in the body; empty when it stands nowhere. */
    readonly modelSpans: readonly Span[],
    /** Whether a replacement is written as a JSON string (else as plain text of a form). */
    readonly jsonBody: boolean,
    /** The API whose answers are understood and recorded; null for all others. */
    readonly api: Api | null,
    /** Whether the client asked for a stream. */
    readonly stream: boolean,
    /** Answers asked for at once (`n`, several prompts); 1 where not known to be more. */
    readonly choices: number,
    /** Higher is served earlier when requests wait. */
    readonly priority: number,
    /** Instance to prefer (it keeps the state that the request refers to), or null. */
    readonly stickyTo: string | null,
    /** Whether the client asked for token ids itself. */
    readonly wantsIds: boolean,
    /** Whether a server may hold the answer back, since it has tools or a schema to meet. */
    readonly isHeldBack: boolean,
    /** Where the prompt stands in the body. */
    readonly prompt: Prompt,
  ) {}

  /** The target without its query. */
  get path(): string {
    return this.target.split("?", 1)[0];
  }
}

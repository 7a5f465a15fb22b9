// A client's request as it is forwarded.

import type { ClientRequest } from "../http/client.ts";
import type { RequestTrace } from "../observe/trace.ts";
import type { Api } from "../api/api.ts";
import type { Prompt } from "../pool/prefix/chain.ts";
import type { Span } from "./target.ts";

export class ForwardRequest {
  /** Where it is traced. */
  trace: RequestTrace | null = null;
  /** Whether it is one that instances lend their own key for; else only some may be asked. */
  isInference = true;

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

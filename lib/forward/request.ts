// A client's request as it is forwarded, and what came of it: the one account that the log line, the
// record and the metrics are made from.

import type { ClientRequest } from "../http/client.ts";
import { emptyList } from "../http/memory.ts";
import type { EventStore } from "../sse/event_store.ts";
import type { TryOutcome } from "../observe/tally.ts";
import type { RequestTrace } from "../observe/trace.ts";
import type { Api } from "../api/api.ts";
import type { Span } from "./target.ts";

export class ForwardRequest {
  /** Where it is traced. */
  trace: RequestTrace | null = null;

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
  ) {}
}

/** One attempt. `answered`: what it sent went to the client, as far as that stayed. */
export interface AttemptLog {
  instance: string;
  outcome: TryOutcome;
  status?: number;
  error?: string;
}

export interface Usage {
  promptTokens: number;
  completionTokens: number;
}

/** How a request ended; "failed" until something better is known. */
export class Account {
  outcome: "complete" | "truncated" | "aborted" | "failed" | "rejected" = "failed";
  status = 0;
  /** Name of the instance that gave the answer; "" when none did. */
  instance = "";
  readonly attempts: AttemptLog[] = emptyList();
  /** performance.now() of the first byte to the client; null when there was none. */
  firstByteAt: number | null = null;
  error = "";
  usage: Usage | null = null;
  /** The answer for the record: a whole body or the events of a stream. */
  response: Uint8Array | EventStore | null = null;
  streamed = false;
  /** Events of the stream that carried something; each a token, as a rule. */
  pieces = 0;
  readonly resumed: { from: string; to: string; way: string; atChars: number }[] = emptyList();
}

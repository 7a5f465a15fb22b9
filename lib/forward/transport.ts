// How a request reaches an instance, whatever carries it. Implementations: transport/fetch.ts and
// transport/http1.ts. Choosing an instance, retrying and timing an answer are left to the callers.

import type { HeaderList } from "../http/message.ts";

/** A request for an instance, complete in memory. */
export interface UpstreamRequest {
  method: string;
  /** Absolute http: or https: URL. */
  url: string;
  /** End-to-end fields only; the transport adds host, content-length and connection itself. */
  headers: HeaderList;
  /** The body in pieces, sent one after the other; empty when there is none. */
  body: readonly Uint8Array[];
  /** How long to wait for a connection. */
  connectTimeoutS: number;
}

export interface ResponseHead {
  status: number;
  /** End-to-end fields only; content-length is kept where the body has that very length. */
  headers: HeaderList;
}

/** One request under way. Nothing of it stays open once `read` gave null or `abort` was called. */
export interface UpstreamCall {
  /** Final (not 1xx) response head. Rejects with UpstreamError. */
  readonly head: Promise<ResponseHead>;
  /**
   * Next piece of the body without its transfer coding, null at its proper end. A piece is valid
   * only until the next call. One call at a time, and only after `head`. Rejects with UpstreamError.
   */
  read(): Promise<Uint8Array | null>;
  /** Closes the connection at once; a pending `head` or `read` rejects with `reason`. Idempotent. */
  abort(reason: Error): void;
}

export interface Transport {
  /** Whether the runtime adds a `traceparent` of its own where it traces. */
  readonly tracesItself: boolean;
  start(request: UpstreamRequest): UpstreamCall;
  /** Closes idle connections; calls under way are left to end. */
  close(): void;
}

/** Where a call was when it failed. Up to `connect` nothing was sent. */
export type UpstreamPhase = "connect" | "send" | "head" | "body";

export type UpstreamFault = "refused" | "reset" | "timeout" | "malformed" | "tls" | "dns" | "other";

/** An instance (or the way to it) failed. The message is fit for a client: no key, no address. */
export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  constructor(
    readonly phase: UpstreamPhase,
    readonly fault: UpstreamFault,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

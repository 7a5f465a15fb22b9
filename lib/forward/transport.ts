// How a request reaches an instance, whatever carries it. Implementations: transport/fetch.ts and
// transport/http1.ts. Choosing an instance, retrying and timing an answer are left to the callers.

import type { HeaderList } from "../http/message.ts";
import { type Scarce, SCARCE_WORDS } from "../machine/scarcity.ts";

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
  /** Asked when that is over: how many seconds more; 0, as without it, to give up. */
  moreToConnectS?(): number;
  /** Not on a kept connection: whether that still stands is known only once the request went out on it. */
  anew?: boolean;
  /** Called where it goes out once more, since the kept connection that it went out on has ended. */
  onAgain?(): void;
  /** Called with the first byte of the answer, or with its head where nothing tells of bytes. */
  onHeard?(): void;
}

export interface ResponseHead {
  status: number;
  /** End-to-end fields only; content-length is kept where the body has that very length. */
  headers: HeaderList;
}

/** One request under way. Nothing of it stays open once `read` gave null or `abort` was called. */
export interface UpstreamCall {
  /** False while nothing of it has gone out; missing where that cannot be told. */
  readonly isOut?: boolean;
  /** Final (not 1xx) response head. Rejects with UpstreamError. */
  readonly head: Promise<ResponseHead>;
  /**
   * The next piece of the body that is here, without its transfer coding: empty when more must be waited
   * for, null at the body's proper end. A piece is valid only until the next call. Only after `head`.
   * Throws UpstreamError.
   */
  take(): Uint8Array | null;
  /**
   * Waits for more; what it resolves to goes to `arrived`, what it rejects with to `explain`. One at a
   * time. In three parts, so that a chunk of a stream costs no promise beyond the socket's own; `readFrom`
   * is the convenient way.
   */
  wait(): Promise<number | null>;
  /** Throws UpstreamError. */
  arrived(count: number | null): void;
  explain(error: unknown): Error;
  /** Closes the connection at once; a pending `head` rejects with `reason`, a
   * pending `wait` is explained by it. Idempotent. */
  abort(reason: Error): void;
}

/** The next piece of the body, which is valid until the next call; null at its proper end. */
export async function readFrom(call: UpstreamCall): Promise<Uint8Array | null> {
  for (;;) {
    const piece = call.take();
    if (piece === null || piece.length > 0) return piece;
    let count: number | null;
    try {
      count = await call.wait();
    } catch (error) {
      throw call.explain(error);
    }
    call.arrived(count);
  }
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

/** scarce: the gateway itself lacks what a connection takes. moved: it was told to go on elsewhere. */
export type UpstreamFault =
  | "refused"
  | "reset"
  | "timeout"
  | "malformed"
  | "tls"
  | "dns"
  | "scarce"
  | "moved"
  | "other";

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

/** The gateway itself lacks what the connection takes. */
export function scarcity(what: Scarce, cause?: unknown): UpstreamError {
  return new UpstreamError("connect", "scarce", SCARCE_WORDS[what], { cause });
}

/** The limit for connecting has passed, and `waitedMs` where it was put off. */
export function noConnectionWithin(limitS: number, waitedMs: number): UpstreamError {
  const waitedS = Math.round(waitedMs / 100) / 10;
  const message = waitedS > limitS
    ? `no connection within ${waitedS} s`
    : `no connection within ${limitS} s (timeouts.connect)`;
  return new UpstreamError("connect", "timeout", message);
}

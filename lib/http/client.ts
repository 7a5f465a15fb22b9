// The client's side of one request, as server and forward share it. Listeners implement it, whatever
// carries the bytes.

import type { HeaderList } from "./message.ts";

/** Where the bytes of one body are counted as long as somebody holds them. */
export interface BodyHold {
  /**
   * Counts `bytes` more; null where they fit, else a promise: nothing more is to be read until it resolves.
   * It rejects with RequestError, 503 where there is no room in time, 413 where there never is.
   */
  take(bytes: number): Promise<void> | null;
}

/** A request whose head has been read. */
export interface ClientRequest {
  readonly method: string;
  /** Path and query as the client wrote them, beginning with "/". */
  readonly target: string;
  readonly headers: HeaderList;
  /** Address of the peer, without its port. */
  readonly remoteAddress: string;
  /**
   * The whole body, whose bytes are counted in `hold` as they come. Rejects with RequestError: 413 above
   * `limitBytes`, 400 when it is cut short or malformed, 408 when it trickles, and as `hold` does. Call it
   * at most once.
   */
  readBody(limitBytes: number, hold: BodyHold): Promise<Uint8Array>;
  /** True from the moment on that the client is known to have left. */
  readonly gone: boolean;
  /**
   * `callback` runs once if the client leaves before the answer was handed over whole; at once if it
   * has left already. Any number may wait, and are told in their order. Returns what takes this one
   * back, and does nothing once it has run.
   */
  onGone(callback: () => void): () => void;
}

/** The answer to a request: either `send` once, or `begin`, any number of `write`, then `end` or `cut`. */
export interface ClientReply {
  /** True once a status went out. */
  readonly begun: boolean;
  /** Answers whole, with content-length. Never rejects: a client that has left is not an error. */
  send(status: number, headers: HeaderList, body: Uint8Array): Promise<void>;
  /** Starts an answer of `contentLength` bytes, or of unknown length (chunked) where that is null. */
  begin(status: number, headers: HeaderList, contentLength: number | null): void;
  /**
   * Hands bytes on; resolves when the next may come (backpressure), null where they may at once. The bytes
   * may be reused by the caller from then on. Once the client has left it does nothing.
   */
  write(bytes: Uint8Array): Promise<void> | null;
  /** The proper end. */
  end(): Promise<void>;
  /** Breaks the connection off, so that the client cannot take the answer for a whole one. */
  cut(): void;
}

/** A request that cannot be taken; `status` is a 4xx or 501, `param` what of the request is at fault. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  constructor(readonly status: number, message: string, readonly param: string | null = null) {
    super(message);
  }
}

/** The path has other methods, which `allow` names (RFC 9110, 15.5.6). */
export class WrongMethod extends RequestError {
  constructor(readonly allow: string) {
    super(405, "Method Not Allowed");
  }
}

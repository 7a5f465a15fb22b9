// The door to clients, whatever opens it: listener/http1.ts and listener/deno_serve.ts implement it.
// What a request means is left to the handler.

import type { HeaderList } from "../http/message.ts";

/** A request whose head has been read. */
export interface ClientRequest {
  readonly method: string;
  /** Path and query as the client wrote them, beginning with "/". */
  readonly target: string;
  readonly headers: HeaderList;
  /** Address of the peer, without its port. */
  readonly remoteAddress: string;
  /**
   * The whole body. Rejects with RequestError: 413 above `limitBytes`, 400 when it is cut short or
   * malformed, 408 when it trickles. Call it at most once.
   */
  readBody(limitBytes: number): Promise<Uint8Array>;
  /** True from the moment on that the client is known to have left. */
  readonly gone: boolean;
  /**
   * `callback` runs once if the client leaves before the answer was handed over whole; at once if it
   * has left already. A second call replaces the first; null takes it back.
   */
  onGone(callback: (() => void) | null): void;
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
   * Hands bytes on; resolves when the next may come (backpressure). The bytes may be reused by the
   * caller as soon as it resolves. Once the client has left it does nothing.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** The proper end. */
  end(): Promise<void>;
  /** Breaks the connection off, so that the client cannot take the answer for a whole one. */
  cut(): void;
}

/** Handles one request; must not reject (a rejection is logged and answered with 500). */
export type Handler = (request: ClientRequest, reply: ClientReply) => Promise<void>;

export interface Listener {
  /** Address actually listened on (port 0 resolved). */
  readonly hostname: string;
  readonly port: number;
  /** No new connections or requests; idle connections are closed; resolves when the last answer is out. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

export interface ListenOptions {
  hostname: string;
  port: number;
  /** Share the port with other workers or processes (SO_REUSEPORT). */
  reusePort: boolean;
  /** How long a head, or the next piece of a body, may take. */
  headTimeoutS: number;
  bodyTimeoutS: number;
  /** How long a connection may sit idle between requests. */
  idleTimeoutS: number;
  /** Connections one client address may hold; 0 for any number. */
  maxConnectionsPerAddress: number;
  onError(error: unknown): void;
}

/** A request that cannot be taken; `status` is a 4xx or 501. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

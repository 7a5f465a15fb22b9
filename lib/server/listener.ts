// The door to clients, whatever opens it: listener/http1.ts and listener/deno_serve.ts implement it.
// What a request means is left to the handler.

import type { ClientReply, ClientRequest } from "../http/client.ts";
import type { AddressCounts } from "./listener/address_counts.ts";

export { type ClientReply, type ClientRequest, RequestError } from "../http/client.ts";

/** Handles one request; must not reject (a rejection is logged and answered with 500). */
export type Handler = (request: ClientRequest, reply: ClientReply) => Promise<void>;

export interface Listener {
  /** Address actually listened on (port 0 resolved). */
  readonly hostname: string;
  readonly port: number;
  /** No new connections or requests; idle connections are closed; resolves when the last answer is out. */
  drain(): Promise<void>;
  /**
   * Another process listens on the port from now on: no new connections; a request on one that stands
   * is answered, as the connection's last. Resolves when all connections have ended.
   */
  handOver(): Promise<void>;
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
  /** Where they are counted, for all workers. */
  addresses: AddressCounts;
  onError(error: unknown): void;
}

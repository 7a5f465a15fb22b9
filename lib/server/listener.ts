// The door to clients, whatever opens it: listener/http1.ts and listener/deno_serve.ts implement it.
// What a request means is left to the handler.

import type { TlsConfig } from "../config/access.ts";
import type { ClientReply, ClientRequest } from "../http/client.ts";
import type { HeaderList } from "../http/message.ts";
import type { Descriptors } from "../machine/descriptors.ts";
import type { TurnedAway } from "../pool/memory/turned_away_memory.ts";
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
  /**
   * Other workers listen on the port: no new connections in a moment; a request on one that stands is
   * answered, as the connection's last. Resolves when the door is closed.
   */
  leave(): Promise<void>;
  /** Resolves when all connections have ended, however long that takes; after `leave`. */
  left(): Promise<void>;
  /** Another worker has joined: each connection that stands ends with its next answer. */
  spread(): void;
  /**
   * New connections meet this certificate from now on; those that stand stay. Throws where it cannot be
   * served with, and the one before stays. Nothing without TLS.
   */
  renew(certificate: TlsConfig): void;
  /** Ends everything at once. */
  close(): Promise<void>;
}

export interface ListenOptions {
  hostname: string;
  port: number;
  /** Share the port with other workers or processes (SO_REUSEPORT). */
  reusePort: boolean;
  /** null for plain HTTP. */
  certificate: TlsConfig | null;
  /** How long a head, or the next piece of a body, may take. */
  headTimeoutS: number;
  bodyTimeoutS: number;
  /** How long a connection may sit idle between requests. */
  idleTimeoutS: number;
  /** Connections one client address may hold; 0 for any number. */
  maxConnectionsPerAddress: number;
  /** Where they are counted, for all workers. */
  addresses: AddressCounts;
  /** Of this process: a client that there is none for is turned away. */
  descriptors: Descriptors;
  /** A client was turned away before its request was read. */
  onTurnedAway(why: TurnedAway): void;
  /** What an error of the listener's own says beside itself to who sent these fields, as far as they were read. */
  errorFields(seen: HeaderList): HeaderList;
  onError(error: unknown): void;
}

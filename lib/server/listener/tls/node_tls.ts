// A door by Node's TLS server in Deno. It can do what Deno.listenTls cannot: ask for a certificate of the
// client's own, send away who begins no handshake or never ends it, and take another certificate. It costs
// more for each piece, and is used where it is needed.

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { TlsConfig } from "../../../config/access.ts";
import type { ClientConn, Door } from "../client_conn.ts";

export interface NodeTlsPlace {
  readonly hostname: string;
  readonly port: number;
  readonly protocols: readonly string[];
  /** For a handshake, from the connection's first moment. */
  readonly handshakeTimeoutS: number;
  /** Whether the process has descriptors for one more connection. */
  hasRoom(): boolean;
}

/** Clients' certificates that are remembered; whose was forgotten has to bring it again. */
const MAX_PROVEN = 10_000;

export class NodeTlsDoor implements Door {
  readonly addr: { hostname: string; port: number };
  readonly #clientCa: string | null;
  /** Certificates that came with a handshake here, and are of these authorities: their fingerprints. */
  readonly #proven = new Set<string>();
  readonly #server: ReturnType<typeof createServer>;
  /** Node's server says only later where it listens, or that it cannot; this one keeps the place till then. */
  #place: Deno.Listener | null;
  readonly #waiting: PromiseWithResolvers<ClientConn>[] = [];
  readonly #arrived: ClientConn[] = [];
  #closed = false;

  /** Throws Deno.errors.AddrInUse and the like. */
  constructor(
    { hostname, port, protocols, handshakeTimeoutS, hasRoom }: NodeTlsPlace,
    certificate: TlsConfig,
  ) {
    this.#clientCa = certificate.clientCa;
    const options = {
      ...contextOf(certificate),
      ALPNProtocols: [...protocols],
      handshakeTimeout: handshakeTimeoutS * 1000,
    };
    const server = this.#server = createServer(options, (socket) => this.#arrive(socket));
    const place = this.#place = Deno.listen({ hostname, port, reusePort: true });
    this.addr = { hostname: place.addr.hostname, port: place.addr.port };
    server.on("connection", (socket: Socket) => {
      if (!hasRoom()) socket.destroy();
    });
    // Who brings no certificate, or another's, has been told by the handshake itself; who was late is told
    // by the end.
    server.on("tlsClientError", (_, socket) => socket.destroy());
    server.on("error", (error) => {
      this.#leavePlace();
      this.#fail(error);
    });
    const { addr } = this;
    server.listen(
      { host: addr.hostname, port: addr.port, reusePort: true },
      () => this.#leavePlace(),
    );
  }

  /**
   * From now on new connections meet this certificate. False where other authorities count than before, or
   * where clients have to bring a certificate and did not, or the other way round: that takes another door.
   */
  renew(certificate: TlsConfig): boolean {
    if (certificate.clientCa !== this.#clientCa) return false;
    this.#server.setSecureContext(contextOf(certificate));
    return true;
  }

  accept(): Promise<ClientConn> {
    if (this.#closed) return Promise.reject(new Deno.errors.BadResource("the door is closed"));
    const arrived = this.#arrived.shift();
    if (arrived !== undefined) return Promise.resolve(arrived);
    const waiting = Promise.withResolvers<ClientConn>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  close(): void {
    this.#closed = true;
    this.#leavePlace();
    this.#server.close();
    for (const conn of this.#arrived.splice(0)) conn.close();
    this.#fail(new Deno.errors.BadResource("the door is closed"));
  }

  #leavePlace(): void {
    this.#place?.close();
    this.#place = null;
  }

  #arrive(socket: TLSSocket): void {
    if (!this.#isProven(socket)) return void socket.destroy();
    const conn = new SocketConn(socket);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#arrived.push(conn);
    else waiting.resolve(conn);
  }

  /**
   * All servers of an isolate share one memory of sessions, and one that is resumed is asked for no certificate:
   * it may be of another authority's client, or of one that brought none. Who began it here may go on.
   */
  #isProven(socket: TLSSocket): boolean {
    if (this.#clientCa === null) return true;
    const print = socket.getPeerX509Certificate()?.fingerprint256;
    if (print === undefined) return false;
    if (socket.isSessionReused()) return this.#proven.has(print);
    if (this.#proven.size >= MAX_PROVEN) this.#proven.delete(this.#proven.keys().next().value!);
    this.#proven.add(print);
    return true;
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

function contextOf({ cert, key, clientCa }: TlsConfig) {
  const asked = clientCa === null
    ? {}
    : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  return { cert, key, ...asked };
}

/** Node's socket, read and written as Deno's are. */
class SocketConn implements ClientConn {
  readonly remoteAddr: { hostname: string };
  #error: Error | null = null;
  #isOver = false;
  /** Wakes the read that waits. */
  #wake: (() => void) | null = null;

  constructor(private readonly socket: TLSSocket) {
    this.remoteAddr = { hostname: socket.remoteAddress ?? "" };
    const wake = () => {
      this.#wake?.();
      this.#wake = null;
    };
    socket.on("readable", wake);
    socket.on("end", () => {
      this.#isOver = true;
      wake();
    });
    socket.on("error", (error) => {
      this.#error = error;
      wake();
    });
    socket.on("close", () => {
      this.#isOver = true;
      wake();
    });
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const piece = this.#piece(into.length);
      if (piece !== null) {
        into.set(piece);
        return piece.length;
      }
      if (this.#error !== null) throw broken(this.#error);
      if (this.#isOver) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** At most `limit` bytes of what has come; null for nothing. */
  #piece(limit: number): Uint8Array | null {
    const length = Math.min(limit, this.socket.readableLength);
    const piece: Buffer | null = length === 0 ? this.socket.read(0) : this.socket.read(length);
    return piece === null || piece.length === 0 ? null : piece;
  }

  /** The bytes may be reused once it resolves. */
  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#error !== null) return reject(broken(this.#error));
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.socket.write(buffer, (error) => {
        if (error) reject(broken(error));
        else resolve(bytes.length);
      });
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.end(() => resolve());
      if (this.socket.destroyed) resolve();
    });
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Whatever became of such a connection, it is over. */
function broken(error: Error): Error {
  return new Deno.errors.ConnectionReset(error.message, { cause: error });
}

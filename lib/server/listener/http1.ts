// The listener for HTTP/1.1 clients, over Deno.listen: strict about what comes in, quick to notice a
// client that leaves, one coarse clock for all time limits. Syntax is left to lib/http, one
// connection's life to http1/connection.ts.

import { MessageBuffers, Slab } from "../../http/memory.ts";
import type { Handler, Listener, ListenOptions } from "../listener.ts";
import { Connection, type ConnectionOwner, TICK_MS } from "./http1/connection.ts";

/** How long an idle connection is kept after the port was handed over. */
const HANDED_OVER_IDLE_MS = 5000;
const NO_ARRIVAL_MS = 10;
const MOST_ARRIVALS_MS = 1000;

/** Listens on a TCP port. Throws Deno.errors.AddrInUse and the like. */
export function listenHttp1(options: ListenOptions, handler: Handler): Listener {
  return new Http1Listener(options, handler);
}

class Http1Listener implements Listener, ConnectionOwner {
  readonly hostname: string;
  readonly port: number;
  now = performance.now();
  draining = false;
  readonly buffers = new MessageBuffers();
  readonly slab = new Slab();
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Connection>();
  readonly #clock: ReturnType<typeof setInterval>;
  #allClosed: (() => void) | null = null;
  #accepted = 0;

  constructor(readonly options: ListenOptions, readonly handler: Handler) {
    const { hostname, port, reusePort } = options;
    this.#listener = Deno.listen({ hostname, port, ...(reusePort ? { reusePort } : {}) });
    this.hostname = this.#listener.addr.hostname;
    this.port = this.#listener.addr.port;
    this.#clock = setInterval(() => this.#tick(), TICK_MS);
    this.#accept();
  }

  async drain(): Promise<void> {
    this.#closeDoor();
    this.#closeIdle();
    await this.#lastConnection();
  }

  async handOver(): Promise<void> {
    // The kernel resets connections that wait to be accepted when the door closes: it is closed in a
    // moment when none is coming. (With net.ipv4.tcp_migrate_req=1 they pass to the successor.)
    const until = performance.now() + MOST_ARRIVALS_MS;
    for (let before = -1; before !== this.#accepted && performance.now() < until;) {
      before = this.#accepted;
      await new Promise((resolve) => setTimeout(resolve, NO_ARRIVAL_MS));
    }
    this.#closeDoor();
    // A client may be writing on an idle connection at this moment: it gets its answer.
    const timer = setTimeout(() => this.#closeIdle(), HANDED_OVER_IDLE_MS);
    await this.#lastConnection();
    clearTimeout(timer);
  }

  #closeDoor(): void {
    if (!this.draining) this.#listener.close();
    this.draining = true;
  }

  #closeIdle(): void {
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  async #lastConnection(): Promise<void> {
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        this.#allClosed = resolve;
      });
    }
  }

  close(): Promise<void> {
    this.#closeDoor();
    clearInterval(this.#clock);
    for (const connection of [...this.#connections]) connection.close();
    return Promise.resolve();
  }

  closed(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    if (connection.counted) this.options.addresses.giveBack(connection.remoteAddress);
    if (this.#connections.size === 0) this.#allClosed?.();
  }

  async #accept(): Promise<void> {
    for (;;) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (this.draining) return;
        // Too many open files, or a client that was gone before it was accepted: others may still come.
        this.options.onError(error);
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      this.#accepted++;
      this.#welcome(conn);
    }
  }

  #welcome(conn: Deno.TcpConn): void {
    const address = conn.remoteAddr.hostname;
    const { addresses, maxConnectionsPerAddress: limit } = this.options;
    const place = limit === 0 ? "uncounted" : addresses.take(address, limit);
    const connection = new Connection(conn, address, this, place === "counted");
    this.#connections.add(connection);
    const served = place !== "full" ? connection.run() : connection.turnAway(
      429,
      `More than ${limit} connections from this address (max_connections_per_address)`,
    );
    served.catch(this.options.onError);
  }

  #tick(): void {
    this.now = performance.now();
    for (const connection of this.#connections) connection.checkDeadline(this.now);
  }
}

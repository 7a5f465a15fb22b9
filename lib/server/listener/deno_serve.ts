// The listener on Deno.serve: HTTP/2 besides HTTP/1.1, at a higher price for each request than
// http1.ts. It cannot limit slow senders or count connections; those options are left to http1.ts.

import type { TlsConfig } from "../../config/access.ts";
import { scarceIn } from "../../machine/scarcity.ts";
import type { Handler, Listener, ListenOptions } from "../listener.ts";
import { Cut, toFetchHandler } from "./fetch_handler.ts";

/** A server that has ended is not opened anew in a tight loop. */
const OPEN_AGAIN_MS = 100;

/** Listens with Deno.serve. Throws Deno.errors.AddrInUse and the like. */
export function listenDenoServe(options: ListenOptions, handler: Handler): Listener {
  return new DenoServeListener(options, toFetchHandler(handler, options.onError));
}

class DenoServeListener implements Listener {
  readonly hostname: string;
  readonly port: number;
  readonly #aborter = new AbortController();
  #server: Deno.HttpServer<Deno.NetAddr>;
  /** Drains, or is closed: a server that ends now ends for good. */
  #ending = false;
  #finished = false;
  #certificate: TlsConfig | null;
  /** Servers with an earlier certificate, until their last answer is out. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(
    private readonly options: ListenOptions,
    private readonly handler: ReturnType<typeof toFetchHandler>,
  ) {
    this.#certificate = options.certificate;
    this.#server = this.#serve(options.port, options.reusePort);
    this.hostname = this.#server.addr.hostname;
    this.port = this.#server.addr.port;
    this.#watch();
  }

  async drain(): Promise<void> {
    this.#ending = true;
    await Promise.all([this.#server.shutdown(), ...this.#leaving]);
  }

  /** Answers under way come to their end; a connection that stands idle is closed, as Deno.serve has it. */
  renew(certificate: TlsConfig): void {
    if (this.#certificate === null || this.#ending) return;
    this.#certificate = certificate;
    // It is opened anew by itself, with this one.
    if (this.#finished) return;
    const before = this.#server;
    this.#server = this.#serve(this.port, true);
    const leaving = before.shutdown().catch(this.options.onError).finally(() => {
      this.#leaving.delete(leaving);
    });
    this.#leaving.add(leaving);
  }

  handOver(): Promise<void> {
    return this.drain();
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  left(): Promise<void> {
    return this.drain();
  }

  spread(): void {
    // Deno.serve keeps its connections to itself; so `workers: "auto"` is one isolate behind it.
  }

  async close(): Promise<void> {
    this.#ending = true;
    // A server that has drained is gone; to abort it then throws where nobody can catch it.
    if (this.#finished) return;
    this.#aborter.abort();
    await Promise.all([this.#server.finished, ...this.#leaving]);
  }

  /** Throws where the certificate cannot be served with. */
  #serve(port: number, reusePort: boolean): Deno.HttpServer<Deno.NetAddr> {
    const { hostname, onError } = this.options;
    const certificate = this.#certificate;
    return Deno.serve({
      hostname,
      port,
      reusePort,
      ...(certificate === null ? {} : { cert: certificate.cert, key: certificate.key }),
      automaticCompression: false,
      signal: this.#aborter.signal,
      onListen() {},
      onError(error) {
        if (!(error instanceof Cut)) onError(error);
        return new Response(null, { status: 500 });
      },
    }, this.handler);
  }

  /** A connection that cannot be accepted ends a Deno.serve with all its connections: it is opened anew. */
  async #watch(): Promise<void> {
    while (!this.#ending) {
      const server = this.#server;
      try {
        await server.finished;
      } catch (error) {
        this.#refused(error);
      }
      // Another one serves with a new certificate.
      if (server !== this.#server) continue;
      this.#finished = true;
      while (!this.#ending && this.#finished) await this.#openAgain();
    }
  }

  async #openAgain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, OPEN_AGAIN_MS));
    if (this.#ending) return;
    try {
      this.#server = this.#serve(this.port, this.options.reusePort);
      this.#finished = false;
    } catch (error) {
      this.#refused(error);
    }
  }

  #refused(error: unknown): void {
    const what = scarceIn(error);
    if (what === null) this.options.onError(error);
    else this.options.descriptors.refused(what);
  }
}

// The transport for everything that plain HTTP/1.1 does not cover: TLS, proxies from the environment,
// HTTP/2. Slower than http1.ts; external fallbacks need it.

import { Descriptors } from "../../machine/descriptors.ts";
import { joined } from "../../http/joined.ts";
import { header, type HeaderList } from "../../http/message.ts";
import { scarceInText } from "../../machine/scarcity.ts";
import { endToEnd } from "../header_rules.ts";
import { byOrigin, Roster } from "../../pool/roster.ts";
import { ConnectWatch } from "./connect_watch.ts";
import {
  type ResponseHead,
  scarcity,
  type Transport,
  type UpstreamCall,
  UpstreamError,
  type UpstreamFault,
  type UpstreamPhase,
  type UpstreamRequest,
} from "../transport.ts";

/** Below uvicorn's five seconds, so that a request seldom meets a connection that is just closing. */
const POOL_IDLE_MS = 4000;

const NOTHING = new Uint8Array(0);

export class FetchTransport implements Transport {
  readonly tracesItself = true;
  readonly #client = Deno.createHttpClient({ poolIdleTimeout: POOL_IDLE_MS });
  readonly #watch: ConnectWatch;
  /** Origins that have answered: an address that is none of this machine's reach has no ports either. */
  readonly #reached: Map<string, true>;

  constructor(
    /** Tells whether requests for an origin go through the environment's proxy. */
    proxied: (origin: string) => boolean = () => false,
    private readonly descriptors = new Descriptors(() => {}),
    roster = new Roster(),
  ) {
    this.#reached = roster.remember(byOrigin);
    this.#watch = new ConnectWatch(proxied);
  }

  start(request: UpstreamRequest): UpstreamCall {
    return new FetchCall(this.#client, request, this.#watch, this);
  }

  reached(origin: string): void {
    this.#reached.set(origin, true);
  }

  /** Why a connection to `origin` failed. */
  explain(error: unknown, origin: string): UpstreamError {
    const text = textOf(error);
    const what = text.includes("dns error") && this.descriptors.isOut
      ? "files"
      : scarceInText(text);
    if (what === null || (what === "ports" && !this.#reached.has(origin))) {
      return asUpstreamError(error);
    }
    this.descriptors.refused(what);
    return scarcity(what, error);
  }

  close(): void {
    this.#client.close();
  }
}

class FetchCall implements UpstreamCall {
  readonly head: Promise<ResponseHead>;
  readonly #aborter = new AbortController();
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  /** Came, and was not taken yet. */
  #piece: Uint8Array = NOTHING;
  #reason: Error | null = null;

  constructor(
    client: Deno.HttpClient,
    request: UpstreamRequest,
    watch: ConnectWatch,
    private readonly transport: FetchTransport,
  ) {
    const origin = new URL(request.url).origin;
    const stop = watch.start(
      origin,
      request.connectTimeoutS,
      () => request.moreToConnectS?.() ?? 0,
      (error) => this.abort(error),
    );
    this.head = this.#send(client, request, origin).finally(stop);
    // The caller may abort before it looks at the head; the rejection is then nobody's.
    this.head.catch(() => {});
  }

  async #send(
    client: Deno.HttpClient,
    request: UpstreamRequest,
    origin: string,
  ): Promise<ResponseHead> {
    let response: Response;
    try {
      response = await fetch(request.url, {
        client,
        method: request.method,
        headers: request.headers as [string, string][],
        body: request.body.length === 0 ? undefined : joined(request.body),
        redirect: "manual",
        signal: this.#aborter.signal,
      });
    } catch (error) {
      throw this.#reason ?? this.transport.explain(error, origin);
    }
    this.transport.reached(origin);
    // Deno unpacks a body unless it was told to ask for none that is packed; one that comes packed all
    // the same is then left as it is.
    const unpacked = response.headers.has("content-encoding") &&
      header(request.headers, "accept-encoding") !== "identity";
    const headers: HeaderList = [...response.headers].filter(([name]) =>
      !unpacked || (name !== "content-encoding" && name !== "content-length")
    );
    this.#reader = response.body?.getReader() ?? null;
    request.onHeard?.();
    return { status: response.status, headers: endToEnd(headers) };
  }

  take(): Uint8Array | null {
    if (this.#reason !== null) throw this.#reason;
    const piece = this.#reader === null ? null : this.#piece;
    this.#piece = NOTHING;
    return piece;
  }

  async wait(): Promise<number | null> {
    const { value, done } = await this.#reader!.read();
    if (done) this.#reader = null;
    else this.#piece = value;
    return done ? null : value.length;
  }

  arrived(): void {
    if (this.#reason !== null) throw this.#reason;
  }

  explain(error: unknown): Error {
    return this.#reason ??
      new UpstreamError("body", "reset", "the connection broke in the middle of the answer", {
        cause: error,
      });
  }

  abort(reason: Error): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#aborter.abort(reason);
    // A body that is neither read nor cancelled would keep the connection, and the generation, alive.
    this.#reader?.cancel(reason).catch(() => {});
  }
}

/** Deno's fetch errors carry no code; their text is all there is (ext/fetch). */
function textOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : "";
  return `${error instanceof Error ? error.message : error} ${cause}`;
}

function asUpstreamError(error: unknown): UpstreamError {
  const text = textOf(error);
  const phase: UpstreamPhase = text.includes("(Connect)") ? "connect" : "head";
  const [fault, message] = explain(text);
  return new UpstreamError(phase, fault, message, { cause: error });
}

function explain(text: string): [UpstreamFault, string] {
  if (text.includes("Connection refused")) return ["refused", "connection refused"];
  if (text.includes("dns error")) return ["dns", "its host name does not resolve"];
  if (text.includes("certificate")) return ["tls", "its TLS certificate is not accepted"];
  if (text.includes("invalid HTTP version") || text.includes("parsed")) {
    return ["malformed", "its answer is not HTTP"];
  }
  if (text.includes("closed before message") || text.includes("reset")) {
    return ["reset", "it closed the connection before it answered"];
  }
  if (text.includes("(Connect)")) return ["other", "no connection"];
  return ["other", "the request failed"];
}

// One client's connection: requests in the order they came, one at a time. While a request is handled a
// read is always pending, so that a client that leaves is noticed at once. What comes of a client is taken
// apart by incoming.ts.

import { corsFieldsIn } from "../../../http/cors.ts";
import { type BodyHold, RequestError } from "../../../http/client.ts";
import { type Framing, keepsAlive, requestFraming, type RequestHead } from "../../../http/head.ts";
import type { MessageBuffers } from "../../../http/memory.ts";
import { header } from "../../../http/message.ts";
import type { Enrolled } from "../../../http/roll.ts";
import { isSocketError, nullOnSocketError } from "../../../http/socket_error.ts";
import { openAiErrorBody } from "../../../http/openai_error.ts";
import { HttpSyntaxError } from "../../../http/syntax_error.ts";
import type { Handler, ListenOptions } from "../../listener.ts";
import type { ClientConn } from "../client_conn.ts";
import { after } from "./coarse_clock.ts";
import { Incoming, type IncomingOwner, MIN_BODY_BYTES_PER_S } from "./incoming.ts";
import { Reply } from "./reply.ts";
import { type BodySource, ConnectionRequest } from "./request.ts";
import { plainResponse } from "./response_head.ts";

/** How long a body that nobody wants is read and thrown away, so that the answer arrives (as nginx). */
const LINGER_S = 30;
/** When nothing more comes, the answer has arrived long since. */
const LINGER_PAUSE_S = 2;
/** For a handshake, before it is one that may not come. */
const SILENT_AFTER_MS = 1000;

const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/** What a connection needs of its listener. */
export interface ConnectionOwner extends IncomingOwner {
  readonly options: ListenOptions;
  readonly handler: Handler;
  readonly draining: boolean;
  /** Whether the next answer is its last: its client is to come in by another door. */
  sendsAway(connection: Connection): boolean;
  readonly buffers: MessageBuffers;
  closed(connection: Connection): void;
}

type Phase = "handshake" | "idle" | "head" | "body" | "handling" | "closing";

export class Connection implements BodySource, Enrolled {
  place = -1;
  readonly #incoming: Incoming;
  #phase: Phase = "idle";
  /** Of every phase but "body", whose own moves as the body comes. */
  #deadline = Infinity;
  #idleSince = Infinity;
  #closed = false;
  #request: ConnectionRequest | null = null;
  /** Of the request that is served or refused; null while it is not read. */
  #head: RequestHead | null = null;
  /** Why the head or the body was given up. */
  #late: RequestError | null = null;
  /** The owner's clock when it came. */
  readonly since: number;

  constructor(
    readonly conn: ClientConn,
    readonly remoteAddress: string,
    private readonly owner: ConnectionOwner,
    /** Whether it is one of the connections that its address may hold. */
    readonly counted: boolean,
  ) {
    this.since = owner.now;
    this.#incoming = new Incoming(conn, owner);
    try {
      conn.setNoDelay?.(true);
    } catch (error) {
      // It has left already, which the first read shows (macOS refuses options on such a socket).
      if (!isSocketError(error)) throw error;
    }
  }

  /** Serves requests until either side closes. */
  async run(): Promise<void> {
    try {
      if (this.conn.handshake !== undefined && !await this.#handshake()) return;
      while (await this.#serveOne());
    } catch (error) {
      if (error instanceof HttpSyntaxError) {
        await this.#refuse(error.status, inWords(error));
      } else if (!isSocketError(error)) throw error;
    } finally {
      this.close();
    }
  }

  /**
   * Instead of `run`: answers with an error whatever is asked, and closes; at once unless it `lingers`,
   * which may cost a client the answer that is still writing.
   */
  async turnAway(status: number, message: string, lingers = true): Promise<void> {
    try {
      if (this.conn.handshake !== undefined && !(lingers && await this.#handshake())) return;
      await this.#tell(status, message);
      if (lingers) await this.#linger();
    } finally {
      this.close();
    }
  }

  /**
   * Agrees on TLS within the time for a head; false where that came to nothing. Who is late is not closed: Deno
   * keeps its descriptor until it leaves, and so long it counts as a connection of its address.
   */
  async #handshake(): Promise<boolean> {
    this.#phase = "handshake";
    const until = after(this.owner, this.owner.options.headTimeoutS);
    try {
      await this.conn.handshake!();
      return this.owner.now < until;
    } catch {
      // Plain HTTP, a scanner, a client that does not trust the certificate: TLS has told it in its way.
      return false;
    }
  }

  checkDeadline(now: number): void {
    if (now < (this.#phase === "body" ? this.#incoming.bodyDeadline : this.#deadline)) return;
    this.#deadline = Infinity;
    if (this.#phase === "idle" || this.#phase === "closing") return this.close();
    // Told already: the answer to it is being written.
    if (this.#late !== null) return;
    const { headTimeoutS, bodyTimeoutS } = this.owner.options;
    const message = this.#phase === "head"
      ? `The request head took longer than ${headTimeoutS} s (head_timeout)`
      : `The request body paused for longer than ${bodyTimeoutS} s (body_timeout), ` +
        `or came at less than ${MIN_BODY_BYTES_PER_S} bytes/s`;
    this.#late = new RequestError(408, message);
    this.conn.write(this.#ownError(408, message)).catch(() => {
      // It has left already.
    }).finally(() => this.close());
  }

  /** The owner's clock since which nothing has come, where nothing is under way; else Infinity. */
  get idleSince(): number {
    return this.#phase === "idle" ? this.#idleSince : Infinity;
  }

  /** Whether it has begun no handshake, or does not end it. */
  get isSilent(): boolean {
    return this.#phase === "handshake" && this.owner.now - this.since > SILENT_AFTER_MS;
  }

  closeIfIdle(): void {
    if (["handshake", "idle", "closing"].includes(this.#phase)) this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#incoming.end();
    try {
      this.conn.close();
    } catch (error) {
      // The reply has cut it already.
      if (!isSocketError(error)) throw error;
    }
    this.#request?.leave();
    this.owner.closed(this);
  }

  /** One request from its first byte to the end of its answer; false when the connection is done. */
  async #serveOne(): Promise<boolean> {
    this.#head = null;
    const head = await this.#readHead();
    if (head === null) return false;
    this.#head = head;
    const framing = requestFraming(head);
    if (asksForWebSocket(head)) {
      throw new HttpSyntaxError("upgrades to WebSocket are not supported", 501);
    }
    const wantsMore = keepsAlive(head.headers, head.minor) && head.minor === 1;
    const request = new ConnectionRequest(head, this.remoteAddress, this, framing);
    this.#request = request;
    this.#phase = "handling";
    this.#deadline = Infinity;
    if (framing.kind === "none") this.#watch();
    const reply = new Reply(
      this.conn,
      request,
      head,
      () => !wantsMore || this.owner.draining || !request.bodyIsRead || this.owner.sendsAway(this),
      this.owner.buffers,
    );
    try {
      await this.owner.handler(request, reply);
    } catch (error) {
      this.owner.options.onError(error);
      if (!reply.begun) {
        const body = openAiErrorBody(500, "Internal error of the gateway");
        await reply.send(500, [["content-type", "application/json"]], body);
      } else reply.cut();
    }
    request.forgetAll();
    if (!reply.isWhole) return false;
    this.#request = null;
    if (!request.bodyIsRead) {
      await this.#linger();
      return false;
    }
    return reply.keepsConnection && !this.#closed && !this.owner.draining;
  }

  async #readHead(): Promise<RequestHead | null> {
    this.#phase = this.#incoming.isEmpty ? "idle" : "head";
    this.#idleSince = this.owner.now;
    const { idleTimeoutS, headTimeoutS } = this.owner.options;
    this.#deadline = after(this.owner, this.#phase === "idle" ? idleTimeoutS : headTimeoutS);
    for (;;) {
      const head = this.#incoming.takeHead();
      if (head !== null) return head;
      await this.#incoming.more();
      if (this.#incoming.hasEnded) return null;
      if (this.#phase === "idle") {
        this.#phase = "head";
        this.#deadline = after(this.owner, headTimeoutS);
      }
    }
  }

  /** Keeps one read pending while a request is handled: the only way to see that the client left. */
  #watch(): void {
    this.#incoming.readAhead()?.then(this.#watched);
  }

  // Made once for a connection, since each of its requests reads at least twice.
  readonly #watched = (): void => {
    if (this.#phase !== "handling") return;
    if (this.#incoming.hasEnded) this.#request?.leave();
    else this.#watch();
  };

  bodyHere(length: number): Uint8Array | null {
    const body = this.#incoming.bodyHere(length);
    if (body !== null) this.#watch();
    return body;
  }

  async readBody(
    framing: Framing,
    limit: number,
    expectsContinue: boolean,
    hold: BodyHold,
  ): Promise<Uint8Array> {
    this.#phase = "body";
    this.#incoming.awaitBody();
    if (expectsContinue && this.#incoming.isEmpty) {
      await this.conn.write(CONTINUE).catch(nullOnSocketError);
    }
    const body = await this.#incoming.readBody(framing, limit, hold);
    if (body === null) {
      this.#request?.leave();
      throw this.#late ?? new RequestError(400, "The request body was cut short");
    }
    this.#phase = "handling";
    this.#deadline = Infinity;
    this.#watch();
    return body;
  }

  async #refuse(status: number, message: string): Promise<void> {
    await this.#tell(status, message);
    await this.#linger();
  }

  async #tell(status: number, message: string): Promise<void> {
    await this.conn.write(this.#ownError(status, message)).catch(nullOnSocketError);
  }

  /** A page may read it, however little of its request was read. */
  #ownError(status: number, message: string): Uint8Array {
    const seen = this.#head === null ? corsFieldsIn(this.#incoming.waiting) : this.#head.headers;
    const fields = this.owner.options.errorFields(seen);
    return plainResponse(status, openAiErrorBody(status, message), fields);
  }

  /**
   * Reads what the client still sends for a while: closing with unread bytes would reset the connection
   * and take the answer with it.
   */
  async #linger(): Promise<void> {
    if (this.#closed) return;
    this.#phase = "closing";
    const until = after(this.owner, LINGER_S);
    this.#deadline = until;
    await this.conn.closeWrite().catch(nullOnSocketError);
    while (!this.#incoming.hasEnded) {
      this.#deadline = Math.min(after(this.owner, LINGER_PAUSE_S), until);
      this.#incoming.discard();
      await this.#incoming.more();
    }
  }
}

/** Where it is the gateway that lacks something (5xx), the request is not malformed. */
function inWords({ status, message }: HttpSyntaxError): string {
  return status >= 500
    ? message.charAt(0).toUpperCase() + message.slice(1)
    : `Malformed request: ${message}`;
}

/**
 * The handshake of RFC 6455, section 4.1, which has no other answer. Any other Upgrade is an offer that
 * may be passed over (RFC 9110, section 7.8), such as the one to HTTP/2 that Java's client makes.
 */
function asksForWebSocket({ method, headers }: RequestHead): boolean {
  return method === "GET" && /\bwebsocket\b/i.test(header(headers, "upgrade") ?? "");
}

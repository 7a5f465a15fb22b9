// One client's connection: requests in the order they came, one at a time. While a request is handled a
// read is always pending, so that a client that leaves is noticed at once.

import { corsFieldsIn } from "../../../http/cors.ts";
import { RequestError } from "../../../http/client.ts";
import {
  checkHeadSize,
  checkUnfinished,
  type Framing,
  headEnd,
  keepsAlive,
  MAX_HEAD_BYTES,
  parseRequestHead,
  requestFraming,
  type RequestHead,
} from "../../../http/head.ts";
import type { MessageBuffers, Slab } from "../../../http/memory.ts";
import { header } from "../../../http/message.ts";
import type { Enrolled } from "../../../http/roll.ts";
import { isSocketError } from "../../../http/socket_error.ts";
import { openAiErrorBody } from "../../../http/openai_error.ts";
import { HttpSyntaxError } from "../../../http/syntax_error.ts";
import type { Handler, ListenOptions } from "../../listener.ts";
import type { ClientConn } from "../client_conn.ts";
import { ChunkedBody } from "./chunked_body.ts";
import { Reply } from "./reply.ts";
import { type BodySource, ConnectionRequest } from "./request.ts";
import { plainResponse } from "./response_head.ts";

const FIRST_BUFFER_BYTES = 4 * 1024;
/** Bytes that may come early, while a request is still handled. */
const MAX_EARLY_BYTES = MAX_HEAD_BYTES;
/** How long a body that nobody wants is read and thrown away, so that the answer arrives (as nginx). */
const LINGER_S = 30;
/** When nothing more comes, the answer has arrived long since. */
const LINGER_PAUSE_S = 2;
/** How often the listener looks at the deadlines of its connections. */
export const TICK_MS = 100;
/** For a handshake, before it is one that may not come. */
const SILENT_AFTER_MS = 1000;
/** A body is not trusted to be as long as it says before it has come. */
const FIRST_BODY_BYTES = 1024 * 1024;
/** A body that has taken longer than body_timeout must have come at this rate: no dripping. */
const MIN_BODY_BYTES_PER_S = 500;

const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/** What a connection needs of its listener. */
export interface ConnectionOwner {
  readonly options: ListenOptions;
  readonly handler: Handler;
  readonly draining: boolean;
  /** Whether the next answer is its last: its client is to come in by another door. */
  sendsAway(connection: Connection): boolean;
  readonly buffers: MessageBuffers;
  readonly slab: Slab;
  /** performance.now() of the last tick. */
  readonly now: number;
  closed(connection: Connection): void;
}

type Phase = "handshake" | "idle" | "head" | "body" | "handling" | "closing";

export class Connection implements BodySource, Enrolled {
  place = -1;
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #phase: Phase = "idle";
  #deadline = Infinity;
  #idleSince = Infinity;
  #closed = false;
  /** The read under way, and whether its end has been reached. */
  #reading: Promise<void> | null = null;
  #eof = false;
  #request: ConnectionRequest | null = null;
  /** Of the request that is served or refused; null while it is not read. */
  #head: RequestHead | null = null;
  #bodySince = 0;
  /** Why the body was given up. */
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
    const until = this.#after(this.owner.options.headTimeoutS);
    try {
      await this.conn.handshake!();
      return this.owner.now < until;
    } catch {
      // Plain HTTP, a scanner, a client that does not trust the certificate: TLS has told it in its way.
      return false;
    }
  }

  checkDeadline(now: number): void {
    if (now < this.#deadline) return;
    this.#deadline = Infinity;
    if (this.#phase === "idle" || this.#phase === "closing") return this.close();
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
    this.#eof = true;
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
    if (framing.kind === "none") this.watch();
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
    let searched = 0;
    this.#phase = this.#start === this.#end ? "idle" : "head";
    this.#idleSince = this.owner.now;
    const { idleTimeoutS, headTimeoutS } = this.owner.options;
    this.#deadline = this.#after(this.#phase === "idle" ? idleTimeoutS : headTimeoutS);
    for (;;) {
      // Empty lines before a request are passed over (RFC 9112, section 2.2).
      while (
        this.#end - this.#start >= 2 && this.#buffer[this.#start] === 13 &&
        this.#buffer[this.#start + 1] === 10
      ) {
        this.#start += 2;
        searched = 0;
      }
      const end = headEnd(this.#buffer, this.#start, this.#end, this.#start + searched);
      if (end >= 0) {
        checkHeadSize(this.#buffer, this.#start, end);
        const head = parseRequestHead(this.#buffer, this.#start, end);
        this.#start = end;
        return head;
      }
      rejectTls(this.#buffer, this.#start, this.#end);
      checkUnfinished(this.#buffer, this.#start, this.#end, this.#start + searched);
      searched = this.#end - this.#start;
      await this.more();
      if (this.#eof) return null;
      if (this.#phase === "idle") {
        this.#phase = "head";
        this.#deadline = this.#after(headTimeoutS);
      }
    }
  }

  /** Waits until more bytes have come or the stream has ended. */
  more(): Promise<void> {
    return this.#reading ?? this.#read();
  }

  /** Keeps one read pending while a request is handled: the only way to see that the client left. */
  watch(): void {
    if (this.#reading !== null || this.#eof) return;
    if (this.#end - this.#start >= MAX_EARLY_BYTES) return;
    this.#read().then(this.#watched);
  }

  // Made once for a connection, since each of its requests reads at least twice.
  readonly #watched = (): void => {
    if (this.#phase !== "handling") return;
    if (this.#eof) this.#request?.leave();
    else this.watch();
  };

  readonly #arrived = (count: number | null): void => {
    this.#reading = null;
    if (count === null) this.#eof = true;
    else this.#end += count;
  };

  readonly #broken = (error: unknown): void => {
    this.#reading = null;
    this.#eof = true;
    if (!isSocketError(error)) this.owner.options.onError(error);
  };

  /** One read into the buffer. Never rejects: a broken connection is its end. */
  #read(): Promise<void> {
    this.#makeRoom();
    const room = this.#end === 0 ? this.#buffer : this.#buffer.subarray(this.#end);
    const reading = this.conn.read(room).then(this.#arrived, this.#broken);
    this.#reading = reading;
    return reading;
  }

  #makeRoom(): void {
    if (this.#start === this.#end) {
      this.#start = this.#end = 0;
      return;
    }
    if (this.#end < this.#buffer.length) return;
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
      return;
    }
    const larger = new Uint8Array(this.#buffer.length * 2);
    larger.set(this.#buffer);
    this.#buffer = larger;
  }

  bodyHere(length: number): Uint8Array | null {
    if (this.#end - this.#start < length) return null;
    const body = this.owner.slab.copy(this.#buffer.subarray(this.#start, this.#start + length));
    this.#start += length;
    this.watch();
    return body;
  }

  /** The body, read straight into its own memory. Throws RequestError. */
  async readBody(framing: Framing, limit: number, expectsContinue: boolean): Promise<Uint8Array> {
    this.#phase = "body";
    this.#bodySince = this.owner.now;
    this.#postpone(0);
    if (expectsContinue && this.#start === this.#end) {
      await this.conn.write(CONTINUE).catch(nullOnSocketError);
    }
    const body = framing.kind === "chunked"
      ? await this.#readChunked(limit)
      : await this.#readLength((framing as { length: number }).length);
    this.#phase = "handling";
    this.#deadline = Infinity;
    this.watch();
    return body;
  }

  async #readLength(length: number): Promise<Uint8Array> {
    let body = this.owner.slab.take(Math.min(length, FIRST_BODY_BYTES));
    let at = 0;
    while (at < length) {
      if (at === body.length) {
        // Once an eighth has come, the rest is believed: copying tens of megabytes keeps others waiting.
        const larger = new Uint8Array(body.length * 8 >= length ? length : body.length * 2);
        larger.set(body);
        body = larger;
      }
      const here = Math.min(this.#end - this.#start, body.length - at);
      if (here > 0) {
        body.set(this.#buffer.subarray(this.#start, this.#start + here), at);
        this.#start += here;
        at += here;
        this.#postpone(at);
        continue;
      }
      if (this.#reading !== null) {
        // Begun while the request before was handled: the next bytes are its.
        await this.#reading;
        if (this.#eof) throw this.#cutShort();
        continue;
      }
      const count = await this.conn.read(body.subarray(at)).catch(nullOnSocketError);
      if (count === null) throw this.#cutShort();
      at += count;
      this.#postpone(at);
    }
    return body;
  }

  async #readChunked(limit: number): Promise<Uint8Array> {
    const body = new ChunkedBody(limit);
    for (;;) {
      if (this.#start < this.#end) {
        this.#start = body.take(this.#buffer, this.#start, this.#end);
        if (body.isWhole) return await body.joined();
        // Behind good data stands a fault, which the next call tells.
        if (this.#start < this.#end) continue;
      }
      await this.more();
      if (this.#eof) throw this.#cutShort();
      this.#postpone(body.size);
    }
  }

  #cutShort(): RequestError {
    this.#eof = true;
    this.#request?.leave();
    return this.#late ?? new RequestError(400, "The request body was cut short");
  }

  /** Sets the deadline of a body of which `received` bytes have come. */
  #postpone(received: number): void {
    const { bodyTimeoutS } = this.owner.options;
    const slowest = this.#bodySince + TICK_MS +
      (bodyTimeoutS + received / MIN_BODY_BYTES_PER_S) * 1000;
    this.#deadline = Math.min(this.#after(bodyTimeoutS), slowest);
  }

  /** The deadline `seconds` from now, by the coarse clock: up to two ticks late, never early. */
  #after(seconds: number): number {
    return this.owner.now + TICK_MS + seconds * 1000;
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
    const seen = this.#head === null
      ? corsFieldsIn(this.#buffer, this.#start, this.#end)
      : this.#head.headers;
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
    const until = this.#after(LINGER_S);
    this.#deadline = until;
    await this.conn.closeWrite().catch(nullOnSocketError);
    while (!this.#eof) {
      this.#deadline = Math.min(this.#after(LINGER_PAUSE_S), until);
      this.#start = this.#end = 0;
      await this.more();
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

/** A client that speaks TLS is told so: it would wait for an answer to its handshake. */
function rejectTls(bytes: Uint8Array, start: number, end: number): void {
  if (end - start >= 2 && bytes[start] === 22 && bytes[start + 1] === 3) {
    throw new HttpSyntaxError("this is TLS, but the gateway speaks plain HTTP here");
  }
}

function nullOnSocketError(error: unknown): null {
  if (isSocketError(error)) return null;
  throw error;
}

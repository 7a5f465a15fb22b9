// The transport for plain http:// instances: HTTP/1.1 over Deno.connect with pooled connections. Syntax
// is left to lib/http; when to give up waiting is left to the caller, except for the connection itself.

import { ChunkedDecoder } from "../../http/chunked.ts";
import {
  checkHeadSize,
  checkStatusStart,
  checkUnfinished,
  type Framing,
  headEnd,
  keepsAlive,
  parseStatusHead,
  responseFraming,
  type StatusHead,
} from "../../http/head.ts";
import { Descriptors } from "../../machine/descriptors.ts";
import { MessageBuffers } from "../../http/memory.ts";
import { header } from "../../http/message.ts";
import { scarceIn } from "../../machine/scarcity.ts";
import { HttpSyntaxError } from "../../http/syntax_error.ts";
import { endToEnd } from "../header_rules.ts";
import { Connection } from "./connection.ts";
import { connectTimer } from "../../machine/fair_timer.ts";
import { IdleConnections } from "./idle_connections.ts";
import { type Destination, type Origin, Origins } from "./origins.ts";
import { requestHead, send } from "./send.ts";
import { isBroken, isLookup, socketError } from "./socket_fault.ts";
import {
  noConnectionWithin,
  type ResponseHead,
  scarcity,
  type Transport,
  type UpstreamCall,
  UpstreamError,
  type UpstreamPhase,
  type UpstreamRequest,
} from "../transport.ts";

/** Below uvicorn's five seconds: we leave before the instance does. */
const IDLE_MS = 4000;
/**
 * A kept connection that ends without a word this soon after a request went out on it was closed while it
 * was idle, as far as anybody can tell. After that the request may have been worked on, however the
 * connection ends: one that is reset was not left unread for sure, since a server may also reset on purpose.
 */
const IDLE_CLOSE_MS = 1000;
const NOTHING = new Uint8Array(0);

/** Opens a TCP connection, as Deno.connect does. */
export type Connect = (to: { hostname: string; port: number }) => Promise<Deno.TcpConn>;

export class Http1Transport implements Transport {
  readonly tracesItself = false;
  readonly idle = new IdleConnections();
  readonly origins = new Origins();
  readonly buffers = new MessageBuffers();

  constructor(
    readonly connect: Connect = Deno.connect,
    readonly descriptors = new Descriptors(() => {}),
  ) {
    descriptors.join(() => this.idle.closeAll());
  }

  start(request: UpstreamRequest): UpstreamCall {
    return new Http1Call(this, request);
  }

  close(): void {
    this.idle.close();
  }
}

class Http1Call implements UpstreamCall {
  isOut = false;
  readonly head: Promise<ResponseHead>;
  readonly #transport: Http1Transport;
  readonly #request: UpstreamRequest;
  readonly #to: Destination;
  #connection: Connection | null = null;
  #framing: Framing = { kind: "none" };
  #left = 0;
  #chunked: ChunkedDecoder | null = null;
  #reason: Error | null = null;
  #phase: UpstreamPhase = "connect";
  #ended = false;
  #reusable = false;
  #idleMs = IDLE_MS;
  #cancelConnect: ((reason: Error) => void) | null = null;

  constructor(transport: Http1Transport, request: UpstreamRequest) {
    this.#transport = transport;
    this.#request = request;
    this.#to = transport.origins.destination(request.url);
    this.head = this.#run();
    // The caller may abort before it looks at the head; the rejection is then nobody's.
    this.head.catch(nothing);
  }

  abort(reason: Error): void {
    if (this.#ended || this.#reason !== null) return;
    this.#reason = reason;
    this.#cancelConnect?.(reason);
    this.#connection?.close();
  }

  take(): Uint8Array | null {
    if (this.#reason !== null) throw this.#reason;
    if (this.#ended) return null;
    const connection = this.#connection!;
    for (;;) {
      // The connection is given back only now: until here the caller may still look at the last piece,
      // which lies in the connection's buffer.
      if (this.#isWhole()) {
        this.#finish();
        return null;
      }
      if (connection.start === connection.end) return NOTHING;
      let piece: Uint8Array;
      try {
        piece = this.#decoded(connection);
      } catch (error) {
        throw this.explain(error);
      }
      if (piece.length > 0) return piece;
    }
  }

  wait(): Promise<number | null> {
    const connection = this.#connection!;
    connection.growIfFull();
    return connection.fill();
  }

  arrived(count: number | null): void {
    if (this.#reason !== null) throw this.explain(this.#reason);
    if (count !== null) this.#connection!.filled(count);
    else if (this.#framing.kind === "close") this.#finish();
    else throw this.explain(this.#cut());
  }

  async #run(): Promise<ResponseHead> {
    try {
      const { origin, key, path } = this.#to;
      const head = requestHead(this.#request, origin.host, path);
      const { idle } = this.#transport;
      const { anew, onAgain } = this.#request;
      const kept = anew ? null : idle.takeFresh(key) ?? await idle.take(key);
      if (kept !== null) {
        const answer = await this.#ask(kept, head, true);
        if (answer !== null) return this.#begin(answer);
        kept.close();
        onAgain?.();
        this.#phase = "connect";
      }
      const answer = await this.#ask(await this.#connect(origin), head, false);
      return this.#begin(answer!);
    } catch (error) {
      throw this.explain(error);
    }
  }

  /**
   * Sends the request and waits for the head of the answer. null when a kept connection ends without a
   * byte of one so soon that it was closed while it was idle: the request may be sent once more then.
   */
  async #ask(connection: Connection, head: string, kept: boolean): Promise<StatusHead | null> {
    this.#connection = connection;
    if (this.#reason !== null) throw this.#reason;
    this.#phase = "send";
    this.isOut = true;
    const sentAt = performance.now();
    const sent = send(connection.conn, head, this.#request.body, this.#transport.buffers);
    this.#phase = "head";
    const answer = await this.#readHead(connection, sent);
    if (answer !== null) {
      this.#phase = "body";
      return answer;
    }
    if (kept && performance.now() - sentAt < IDLE_CLOSE_MS) {
      if (this.#reason !== null) throw this.#reason;
      return null;
    }
    throw this.#cut();
  }

  async #connect(origin: Origin): Promise<Connection> {
    const { connectTimeoutS } = this.#request;
    const { hostname, port } = origin;
    const { descriptors } = this.#transport;
    if (!await descriptors.findRoom("instance")) throw scarcity("files");
    if (this.#reason !== null) throw this.#reason;
    const connecting = this.#transport.connect({ hostname, port });
    const { promise: given, reject } = Promise.withResolvers<never>();
    this.#cancelConnect = reject;
    const stop = connectTimer(
      connectTimeoutS * 1000,
      () => this.#request.moreToConnectS?.() ?? 0,
      (waitedMs) => reject(noConnectionWithin(connectTimeoutS, waitedMs)),
    );
    try {
      const conn = await Promise.race([connecting, given]);
      conn.setNoDelay(true);
      origin.wasReached = true;
      return new Connection(conn);
    } catch (error) {
      // A connection that still comes about is nobody's.
      connecting.then((conn) => conn.close(), () => {});
      if (error instanceof UpstreamError) throw error;
      const what = isLookup(error) && descriptors.isOut ? "files" : scarceIn(error);
      if (what === null || (what === "ports" && !origin.wasReached)) throw error;
      descriptors.refused(what);
      throw scarcity(what, error);
    } finally {
      stop();
      this.#cancelConnect = null;
    }
  }

  /** null when the stream ends without a byte of an answer. */
  async #readHead(connection: Connection, sent: Promise<unknown>): Promise<StatusHead | null> {
    /** Bytes of the head that hold no end: they are not searched again. */
    let searched = 0;
    let sending: unknown = undefined;
    let heard = false;
    sent.then((error) => sending = error);
    for (;;) {
      const end = connection.start === connection.end ? -1 : headEnd(
        connection.buffer,
        connection.start,
        connection.end,
        connection.start + searched,
      );
      if (end >= 0) {
        checkHeadSize(connection.buffer, connection.start, end);
        const head = parseStatusHead(connection.buffer, connection.start, end);
        connection.start = end;
        searched = 0;
        if (head.status >= 200) {
          // An answer that came before the request was sent whole leaves the connection unusable.
          this.#reusable = sending === null;
          return head;
        }
        if (head.status === 101) throw new HttpSyntaxError("an upgrade nobody asked for");
        continue;
      }
      checkStatusStart(connection.buffer, connection.start, connection.end);
      checkUnfinished(
        connection.buffer,
        connection.start,
        connection.end,
        connection.start + searched,
      );
      searched = connection.end - connection.start;
      let count: number | null;
      try {
        count = await connection.fill();
      } catch (error) {
        // A reset is an end like another.
        if (this.#reason !== null || heard || !isBroken(error)) throw error;
        return null;
      }
      if (this.#reason !== null) throw this.#reason;
      if (count === null) {
        if (heard) throw this.#cut();
        return null;
      }
      if (!heard) this.#request.onHeard?.();
      heard = true;
      connection.filled(count);
    }
  }

  #begin(head: StatusHead): ResponseHead {
    this.#framing = responseFraming(head, this.#request.method);
    if (this.#framing.kind === "length") this.#left = this.#framing.length;
    if (this.#framing.kind === "chunked") this.#chunked = new ChunkedDecoder();
    if (this.#framing.kind === "close" || !keepsAlive(head.headers, head.minor)) {
      this.#reusable = false;
    }
    const kept = header(head.headers, "keep-alive");
    const hint = kept === undefined ? null : /timeout=(\d{1,6})/.exec(kept);
    if (hint !== null) this.#idleMs = Math.min(IDLE_MS, (Number(hint[1]) - 1) * 1000);
    return { status: head.status, headers: endToEnd(head.headers) };
  }

  /** Body bytes from the buffer, without their framing. */
  #decoded(connection: Connection): Uint8Array {
    const { buffer, start, end } = connection;
    if (this.#chunked !== null) {
      const piece = this.#chunked.decode(buffer, start, end);
      connection.start = this.#chunked.consumed;
      return piece;
    }
    const length = this.#framing.kind === "length"
      ? Math.min(this.#left, end - start)
      : end - start;
    connection.start += length;
    this.#left -= length;
    return length === 0 ? NOTHING : buffer.subarray(start, start + length);
  }

  #isWhole(): boolean {
    switch (this.#framing.kind) {
      case "none":
        return true;
      case "length":
        return this.#left === 0;
      case "chunked":
        return this.#chunked!.done;
      case "close":
        return false;
    }
  }

  /** The answer is whole: the connection is kept, unless more came than belongs to it. */
  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    const connection = this.#connection!;
    if (this.#reusable && connection.start === connection.end) {
      this.#transport.idle.put(this.#to.key, connection, this.#idleMs);
    } else connection.close();
  }

  #cut(): UpstreamError {
    return new UpstreamError(
      this.#phase,
      "reset",
      this.#phase === "body"
        ? "the connection broke in the middle of the answer"
        : "it closed the connection before it answered",
    );
  }

  explain(error: unknown): Error {
    this.#connection?.close();
    this.#ended = this.#ended || this.#phase === "body";
    if (this.#reason !== null) return this.#reason;
    if (error instanceof UpstreamError) return this.#reason = error;
    if (error instanceof HttpSyntaxError) {
      return this.#reason = new UpstreamError(
        this.#phase,
        "malformed",
        `its answer is not proper HTTP: ${error.message}`,
      );
    }
    return this.#reason = socketError(error, this.#phase, this.#cut());
  }
}

function nothing(): void {}

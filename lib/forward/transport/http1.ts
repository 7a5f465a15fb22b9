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
  MAX_HEAD_BYTES,
  parseStatusHead,
  responseFraming,
  type StatusHead,
} from "../../http/head.ts";
import { putLatin1 } from "../../http/latin1.ts";
import { MESSAGE_BYTES, MessageBuffers } from "../../http/memory.ts";
import { header } from "../../http/message.ts";
import { HttpSyntaxError } from "../../http/syntax_error.ts";
import { endToEnd } from "../header_rules.ts";
import { fairTimer } from "./fair_timer.ts";
import { LoopProbe } from "./loop_probe.ts";
import {
  noConnectionWithin,
  type ResponseHead,
  type Transport,
  type UpstreamCall,
  UpstreamError,
  type UpstreamPhase,
  type UpstreamRequest,
} from "../transport.ts";

/** Below uvicorn's five seconds: we leave before the instance does. */
const IDLE_MS = 4000;
const MAX_IDLE_PER_ORIGIN = 512;
const FIRST_BUFFER_BYTES = 8 * 1024;
const MAX_BUFFER_BYTES = 64 * 1024;
const SWEEP_MS = 500;
/**
 * A kept connection that ends without a word this soon after a request went out on it was closed while it
 * was idle, as far as anybody can tell.
 */
const IDLE_CLOSE_MS = 1000;
/** How long a peer's reset may be on its way after its end of stream. */
const RESET_WAIT_MS = 20;

const NOTHING = new Uint8Array(0);

interface Origin {
  /** As in the Host field. */
  host: string;
  hostname: string;
  port: number;
}

/** Opens a TCP connection, as Deno.connect does. */
export type Connect = (to: { hostname: string; port: number }) => Promise<Deno.TcpConn>;

export class Http1Transport implements Transport {
  readonly tracesItself = false;
  readonly #idle = new Map<string, Connection[]>();
  readonly #origins = new Map<string, Origin>();
  readonly buffers = new MessageBuffers();
  #sweep: ReturnType<typeof setInterval> | null = null;
  readonly #probe = new LoopProbe();
  #closed = false;

  constructor(readonly connect: Connect = Deno.connect) {}

  start(request: UpstreamRequest): UpstreamCall {
    return new Http1Call(this, request);
  }

  close(): void {
    this.#closed = true;
    this.#probe.close();
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#sweep = null;
    for (const connections of this.#idle.values()) {
      for (const connection of connections) connection.close();
    }
    this.#idle.clear();
  }

  /** Splits a URL once for each origin. */
  origin(url: string): { origin: Origin; key: string; path: string } {
    const slash = url.indexOf("/", 7);
    const key = slash < 0 ? url : url.slice(0, slash);
    let origin = this.#origins.get(key);
    if (origin === undefined) {
      const { host, hostname, port } = new URL(key);
      origin = { host, hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port) || 80 };
      this.#origins.set(key, origin);
    }
    return { origin, key, path: slash < 0 ? "/" : url.slice(slash) };
  }

  /**
   * The connection used last that is still open, or null. Bytes that came while it was idle belong to no
   * request, least of all to the next one: what has come is seen before it is used.
   */
  async takeIdle(key: string): Promise<Connection | null> {
    for (;;) {
      const connection = this.#idle.get(key)?.pop();
      if (connection === undefined) return null;
      if (connection.wake()) {
        await this.#probe.seen();
        if (connection.wake()) return connection;
      }
      connection.close();
    }
  }

  /** Whether a connection waits idle on which nothing has come, as far as was looked. */
  hasIdle(key: string): boolean {
    return this.#idle.get(key)?.at(-1)?.wake() ?? false;
  }

  putIdle(key: string, connection: Connection, idleMs: number): void {
    let connections = this.#idle.get(key);
    if (connections === undefined) this.#idle.set(key, connections = []);
    if (this.#closed || connections.length >= MAX_IDLE_PER_ORIGIN || idleMs <= 0) {
      return connection.close();
    }
    connection.sleep(performance.now() + idleMs);
    connections.push(connection);
    if (this.#sweep === null) {
      this.#sweep = setInterval(() => this.#sweepIdle(), SWEEP_MS);
      Deno.unrefTimer(Number(this.#sweep));
    }
  }

  #sweepIdle(): void {
    const now = performance.now();
    let left = 0;
    for (const [key, connections] of this.#idle) {
      const kept = connections.filter((connection) => {
        if (connection.isDead || connection.idleUntil < now) {
          connection.close();
          return false;
        }
        return true;
      });
      left += kept.length;
      if (kept.length === 0) this.#idle.delete(key);
      else this.#idle.set(key, kept);
    }
    if (left === 0 && this.#sweep !== null) {
      clearInterval(this.#sweep);
      this.#sweep = null;
    }
  }
}

/** One TCP connection with its read buffer. A read is pending from the moment a request is sent. */
class Connection {
  buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  /** Unread bytes are buffer[start, end). */
  start = 0;
  end = 0;
  idleUntil = 0;
  isDead = false;
  #pending: Promise<number | null> | null = null;
  #closed = false;

  constructor(readonly conn: Deno.TcpConn) {}

  /**
   * Reads more behind what is there; null at the end of the stream. A read that was begun while the
   * connection was idle is taken over, so that no byte is lost.
   */
  fill(): Promise<number | null> {
    const pending = this.#pending;
    if (pending !== null) {
      this.#pending = null;
      return pending;
    }
    return this.#read();
  }

  #read(): Promise<number | null> {
    if (this.start === this.end) this.start = this.end = 0;
    else if (this.end === this.buffer.length && this.start > 0) {
      this.buffer.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    if (this.end === this.buffer.length) {
      const larger = new Uint8Array(Math.min(this.buffer.length * 4, MAX_HEAD_BYTES * 2));
      larger.set(this.buffer.subarray(0, this.end));
      this.buffer = larger;
    }
    return this.conn.read(this.end === 0 ? this.buffer : this.buffer.subarray(this.end));
  }

  /** Notes `count` fresh bytes; a read that came back full earns a larger buffer. */
  filled(count: number): void {
    this.end += count;
  }

  growIfFull(): void {
    if (
      this.start === this.end && this.end === this.buffer.length &&
      this.buffer.length < MAX_BUFFER_BYTES
    ) this.buffer = new Uint8Array(this.buffer.length * 2);
  }

  /** Waits idle; anything that comes now means that it cannot be used again. */
  sleep(until: number): void {
    this.idleUntil = until;
    if (this.buffer.length > FIRST_BUFFER_BYTES) this.buffer = new Uint8Array(FIRST_BUFFER_BYTES);
    const pending = this.conn.read(this.buffer);
    this.#pending = pending;
    this.start = this.end = 0;
    pending.then(
      () => {
        if (this.#pending === pending) this.isDead = true;
      },
      () => {
        // Closed or reset while idle: takeIdle sees it.
        if (this.#pending === pending) this.isDead = true;
      },
    );
  }

  /**
   * After the peer's end of stream: whether it had closed with something of the request unread. Its
   * kernel then answers with a reset, which a write of nothing shows as a broken pipe; a peer that read
   * the whole request and closed sends none.
   */
  async leftUnread(): Promise<boolean> {
    const until = performance.now() + RESET_WAIT_MS;
    for (;;) {
      try {
        await this.conn.write(NOTHING);
      } catch (error) {
        return error instanceof Deno.errors.BrokenPipe;
      }
      if (performance.now() > until) return false;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** Ready for the next request? */
  wake(): boolean {
    return !this.isDead && performance.now() < this.idleUntil;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.isDead = true;
    this.#pending?.catch(() => {});
    this.conn.close();
  }
}

class Http1Call implements UpstreamCall {
  readonly head: Promise<ResponseHead>;
  readonly #transport: Http1Transport;
  readonly #request: UpstreamRequest;
  readonly #key: string;
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
    this.#key = transport.origin(request.url).key;
    this.head = this.#run();
    // The caller may abort before it looks at the head; the rejection is then nobody's.
    this.head.catch(() => {});
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
      const { origin, path } = this.#transport.origin(this.#request.url);
      const head = requestHead(this.#request, origin, path);
      const kept = await this.#transport.takeIdle(this.#key);
      if (kept !== null) {
        const answer = await this.#ask(kept, head, true);
        if (answer !== null) return this.#begin(answer);
        kept.close();
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
   * byte of one, closed while it was idle or before the request was read: it may be sent once more then.
   */
  async #ask(connection: Connection, head: string, kept: boolean): Promise<StatusHead | null> {
    this.#connection = connection;
    if (this.#reason !== null) throw this.#reason;
    this.#phase = "send";
    const sentAt = performance.now();
    const sent = this.#send(connection, head);
    this.#phase = "head";
    const answer = await this.#readHead(connection, sent);
    if (answer !== null) {
      this.#phase = "body";
      return answer;
    }
    const isSoon = performance.now() - sentAt < IDLE_CLOSE_MS;
    if (kept && (isSoon || await connection.leftUnread())) {
      if (this.#reason !== null) throw this.#reason;
      return null;
    }
    throw this.#cut();
  }

  async #connect(origin: Origin): Promise<Connection> {
    const { connectTimeoutS } = this.#request;
    const { hostname, port } = origin;
    const connecting = this.#transport.connect({ hostname, port });
    const { promise: given, reject } = Promise.withResolvers<never>();
    this.#cancelConnect = reject;
    const stop = fairTimer(
      connectTimeoutS * 1000,
      () => reject(noConnectionWithin(connectTimeoutS)),
    );
    try {
      const conn = await Promise.race([connecting, given]);
      conn.setNoDelay(true);
      return new Connection(conn);
    } catch (error) {
      // A connection that still comes about is nobody's.
      connecting.then((conn) => conn.close(), () => {});
      throw error;
    } finally {
      stop();
      this.#cancelConnect = null;
    }
  }

  /** Writes the request; resolves to the error that stopped it, since an early answer may explain it. */
  async #send(connection: Connection, head: string): Promise<unknown> {
    const { body } = this.#request;
    const { buffers } = this.#transport;
    try {
      let size = head.length;
      for (const piece of body) size += piece.length;
      if (size <= MESSAGE_BYTES) {
        const buffer = buffers.take();
        let at = putLatin1(buffer, 0, head);
        for (const piece of body) {
          buffer.set(piece, at);
          at += piece.length;
        }
        await writeAll(connection.conn, buffer.subarray(0, at));
        buffers.giveBack(buffer);
      } else {
        const bytes = new Uint8Array(head.length);
        putLatin1(bytes, 0, head);
        await writeAll(connection.conn, bytes);
        for (const piece of body) await writeAll(connection.conn, piece);
      }
      return null;
    } catch (error) {
      return error;
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
    const hint = /timeout=(\d{1,6})/.exec(header(head.headers, "keep-alive") ?? "");
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
      this.#transport.putIdle(this.#key, connection, this.#idleMs);
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

function socketError(error: unknown, phase: UpstreamPhase, cut: UpstreamError): Error {
  if (error instanceof Deno.errors.ConnectionRefused) {
    return new UpstreamError("connect", "refused", "connection refused", { cause: error });
  }
  if (isBroken(error)) return cut;
  if (phase === "connect") {
    const text = error instanceof Error ? error.message : "";
    const isDns = /lookup|resolve|name or service/i.test(text);
    return new UpstreamError(
      "connect",
      isDns ? "dns" : "other",
      isDns ? "its host name does not resolve" : "no connection",
      { cause: error },
    );
  }
  return error instanceof Error && "code" in error ? cut : error as Error;
}

/** The other side has ended the connection, in whichever words. */
function isBroken(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.UnexpectedEof || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.NotConnected;
}

function requestHead(request: UpstreamRequest, origin: Origin, path: string): string {
  let text = `${request.method} ${path} HTTP/1.1\r\nhost: ${origin.host}\r\n`;
  for (const [name, value] of request.headers) text += `${name}: ${value}\r\n`;
  let length = 0;
  for (const piece of request.body) length += piece.length;
  if (length > 0 || request.method === "POST" || request.method === "PUT") {
    text += `content-length: ${length}\r\n`;
  }
  return text + "\r\n";
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
}

// What a client sends on its connection, taken as what its requests are made of: heads, and bodies that
// come whole or in chunks. When to read, and what is said of it to the client, is left to the connection.

import { giveBack } from "../../../http/blocks.ts";
import type { BodyHold } from "../../../http/client.ts";
import {
  checkHeadSize,
  checkUnfinished,
  type Framing,
  headEnd,
  MAX_HEAD_BYTES,
  parseRequestHead,
  type RequestHead,
} from "../../../http/head.ts";
import type { Slab } from "../../../http/memory.ts";
import { isSocketError, nullOnSocketError } from "../../../http/socket_error.ts";
import { HttpSyntaxError } from "../../../http/syntax_error.ts";
import type { ListenOptions } from "../../listener.ts";
import type { ClientConn } from "../client_conn.ts";
import { ChunkedBody } from "./chunked_body.ts";
import { after, type CoarseClock, TICK_MS } from "./coarse_clock.ts";

const FIRST_BUFFER_BYTES = 4 * 1024;
/** Bytes that may come early, while a request is still handled. */
const MAX_EARLY_BYTES = MAX_HEAD_BYTES;
/** A body is not trusted to be as long as it says before it has come. */
const FIRST_BODY_BYTES = 1024 * 1024;
/** A body that has taken longer than body_timeout must have come at this rate: no dripping. */
export const MIN_BODY_BYTES_PER_S = 500;

/** What the reading needs of its listener. */
export interface IncomingOwner extends CoarseClock {
  readonly options: Pick<ListenOptions, "bodyTimeoutS" | "onError">;
  /** Where small bodies are kept. */
  readonly slab: Slab;
}

/**
 * The bytes of one connection, in their order. `takeHead` and `bodyHere` take from what has come and never
 * wait; `more` waits for the next; `readBody` takes one body, however long that needs. A connection
 * that breaks is one that has ended: nothing here rejects with an error of the socket.
 */
export class Incoming {
  /** What has come and is not taken: #buffer[#start, #end). */
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #start = 0;
  #end = 0;
  /** So many of these bytes hold no end of a head. */
  #searched = 0;
  /** The read under way. */
  #reading: Promise<void> | null = null;
  #hasEnded = false;
  /** By when the slowest client would have sent what has come of the body, and a moment's more. */
  #slowest = 0;
  #received = 0;
  #bodyDeadline = Infinity;

  constructor(private readonly conn: ClientConn, private readonly owner: IncomingOwner) {}

  /** Whether nothing more comes; what has come may still be taken. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether all that has come is taken. */
  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  /** A view of what has come and is not taken, good until the next call. */
  get waiting(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** By the owner's clock: when the body that is read counts as given up by its client. */
  get bodyDeadline(): number {
    return this.#bodyDeadline;
  }

  /** Takes what has come and throws it away. */
  discard(): void {
    this.#start = this.#end = 0;
  }

  /** Nothing more is read. */
  end(): void {
    this.#hasEnded = true;
  }

  /** Waits until more bytes have come or the stream has ended. */
  more(): Promise<void> {
    return this.#reading ?? this.#read();
  }

  /**
   * Reads while nobody waits for it; the promise resolves as that of `more`. Null where a read is under way, the
   * stream has ended, or as much has come early as may.
   */
  readAhead(): Promise<void> | null {
    if (this.#reading !== null || this.#hasEnded) return null;
    if (this.#end - this.#start >= MAX_EARLY_BYTES) return null;
    return this.#read();
  }

  /**
   * Takes the head of a request where all of it has come; else null. Throws HttpSyntaxError, at the first byte that
   * nothing can make good.
   */
  takeHead(): RequestHead | null {
    // Empty lines before a request are passed over (RFC 9112, section 2.2).
    while (
      this.#end - this.#start >= 2 && this.#buffer[this.#start] === 13 &&
      this.#buffer[this.#start + 1] === 10
    ) {
      this.#start += 2;
      this.#searched = 0;
    }
    const from = this.#start + this.#searched;
    const end = headEnd(this.#buffer, this.#start, this.#end, from);
    if (end < 0) {
      rejectTls(this.#buffer, this.#start, this.#end);
      checkUnfinished(this.#buffer, this.#start, this.#end, from);
      this.#searched = this.#end - this.#start;
      return null;
    }
    checkHeadSize(this.#buffer, this.#start, end);
    const head = parseRequestHead(this.#buffer, this.#start, end);
    this.#start = end;
    this.#searched = 0;
    return head;
  }

  /** Takes a body of `length` bytes where all of it has come, as a copy; else null. */
  bodyHere(length: number): Uint8Array | null {
    if (this.#end - this.#start < length) return null;
    const body = this.owner.slab.copy(this.#buffer.subarray(this.#start, this.#start + length));
    this.#start += length;
    return body;
  }

  /** Begins the time of a body; `readBody` follows, once its client has been asked to go on. */
  awaitBody(): void {
    const { now, options } = this.owner;
    this.#slowest = now + TICK_MS + options.bodyTimeoutS * 1000;
    this.#received = 0;
    this.#postpone(0);
  }

  /**
   * Takes a body, moving `bodyDeadline` as it comes; null where its client has cut it short. Throws RequestError for
   * one in chunks beyond `limit` bytes and as `hold` does, HttpSyntaxError for chunks that are none.
   */
  readBody(framing: Framing, limit: number, hold: BodyHold): Promise<Uint8Array | null> {
    return framing.kind === "chunked"
      ? this.#readChunked(limit, hold)
      : this.#readLength((framing as { length: number }).length, hold);
  }

  /** Straight into memory of its own. */
  async #readLength(length: number, hold: BodyHold): Promise<Uint8Array | null> {
    let body = this.owner.slab.take(Math.min(length, FIRST_BODY_BYTES));
    let at = 0;
    try {
      while (at < length) {
        if (at === body.length) body = enlarged(body, length);
        const count = await this.#readInto(body.subarray(at));
        if (count === null) return null;
        at += count;
        const room = count === 0 ? null : hold.take(count);
        if (room !== null) await this.#paused(room, at);
        this.#postpone(at);
      }
      return body;
    } finally {
      // What was carved out of a slab is a piece of it.
      if (at < length && body.length === body.buffer.byteLength) giveBack(body);
    }
  }

  /** How many bytes came, 0 for none yet; null at the end of the stream. */
  async #readInto(room: Uint8Array): Promise<number | null> {
    const here = Math.min(this.#end - this.#start, room.length);
    if (here > 0) {
      room.set(this.#buffer.subarray(this.#start, this.#start + here));
      this.#start += here;
      return here;
    }
    if (this.#reading !== null) {
      // Begun while the request before was handled: the next bytes are its.
      await this.#reading;
      return this.#hasEnded ? null : 0;
    }
    const count = await this.conn.read(room).catch(nullOnSocketError);
    if (count === null) this.#hasEnded = true;
    return count;
  }

  async #readChunked(limit: number, hold: BodyHold): Promise<Uint8Array | null> {
    const body = new ChunkedBody(limit);
    let isWhole = false;
    try {
      isWhole = await this.#readChunks(body, hold);
    } finally {
      if (!isWhole) body.drop();
    }
    return isWhole ? await body.joined() : null;
  }

  /** false where its client has cut it short. */
  async #readChunks(body: ChunkedBody, hold: BodyHold): Promise<boolean> {
    for (;;) {
      if (this.#start < this.#end) {
        const { size } = body;
        this.#start = body.take(this.#buffer, this.#start, this.#end);
        const room = hold.take(body.size - size);
        if (room !== null) await this.#paused(room, body.size);
        if (body.isWhole) return true;
        // Behind good data stands a fault, which the next call tells.
        if (this.#start < this.#end) continue;
      }
      await this.more();
      if (this.#hasEnded) return false;
      this.#postpone(body.size);
    }
  }

  /** Waits for room without reading, when `received` bytes have come; the client's time stands still meanwhile. */
  async #paused(room: Promise<void>, received: number): Promise<void> {
    const since = this.owner.now;
    this.#bodyDeadline = Infinity;
    try {
      await room;
    } finally {
      this.#slowest += this.owner.now - since;
      this.#postpone(received);
    }
  }

  /** Sets the deadline of a body of which `received` bytes have come. What came fast buys little time to be slow. */
  #postpone(received: number): void {
    const { bodyTimeoutS } = this.owner.options;
    const bought = (received - this.#received) / MIN_BODY_BYTES_PER_S * 1000;
    this.#received = received;
    this.#slowest = Math.min(this.#slowest + bought, after(this.owner, 2 * bodyTimeoutS));
    this.#bodyDeadline = Math.min(after(this.owner, bodyTimeoutS), this.#slowest);
  }

  readonly #arrived = (count: number | null): void => {
    this.#reading = null;
    if (count === null) this.#hasEnded = true;
    else this.#end += count;
  };

  readonly #broken = (error: unknown): void => {
    this.#reading = null;
    this.#hasEnded = true;
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
}

/** Once an eighth has come, the rest is believed: copying tens of megabytes keeps others waiting. */
function enlarged(body: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(body.length * 8 >= length ? length : body.length * 2);
  larger.set(body);
  giveBack(body);
  return larger;
}

/** A client that speaks TLS is told so: it would wait for an answer to its handshake. */
function rejectTls(bytes: Uint8Array, start: number, end: number): void {
  if (end - start >= 2 && bytes[start] === 22 && bytes[start + 1] === 3) {
    throw new HttpSyntaxError("this is TLS, but the gateway speaks plain HTTP here");
  }
}

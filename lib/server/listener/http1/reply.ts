// The answer to one request on an HTTP/1.1 connection: as few writes as can be, no memory beyond the
// piece that is being written.

import type { ClientReply } from "../../../http/client.ts";
import type { RequestHead } from "../../../http/head.ts";
import { MESSAGE_BYTES, type MessageBuffers } from "../../../http/memory.ts";
import type { HeaderList } from "../../../http/message.ts";
import { isSocketError } from "../../../http/socket_error.ts";
import type { ClientConn } from "../client_conn.ts";
import { headSize, putHead, responseHead } from "./response_head.ts";

/** Longest payload of one chunk. */
const MAX_CHUNK_BYTES = 64 * 1024;
/** Hex digits of the longest chunk size and two CRLF. */
const CHUNK_FRAME_BYTES = 12;

const NOTHING = new Uint8Array(0);
const LAST_CHUNK = new TextEncoder().encode("0\r\n\r\n");
const HEX = new TextEncoder().encode("0123456789abcdef");

interface Client {
  readonly gone: boolean;
  leave(): void;
}

export class Reply implements ClientReply {
  begun = false;
  /** Whether the answer went out to its proper end. */
  isWhole = false;
  /** Whether the connection may carry another answer. */
  keepsConnection = true;
  #head: Uint8Array = NOTHING;
  #coding: "chunked" | "length" | "close" | "no_body" = "chunked";
  #left = 0;
  #cut = false;
  /** A chunk on its way, in the memory that goes back when it is written, and how long it is. */
  #underway: Promise<void> | null = null;
  #frame: Uint8Array = NOTHING;
  #frameLength = 0;
  /** For chunks that are longer than those of a model that speaks. */
  #large: Uint8Array = NOTHING;
  /** Made once for all chunks of a stream, and not at all for a whole answer. */
  #onSent: ((count: number) => Promise<void> | void) | null = null;
  #onLost: ((error: unknown) => void) | null = null;
  /** What is no error of a socket is told by the next call. */
  #fault: { error: unknown } | null = null;

  constructor(
    private readonly conn: ClientConn,
    private readonly client: Client,
    private readonly request: RequestHead,
    private readonly mustClose: () => boolean,
    private readonly buffers: MessageBuffers,
  ) {}

  async send(status: number, headers: HeaderList, body: Uint8Array): Promise<void> {
    this.begun = true;
    const close = this.mustClose();
    this.keepsConnection = !close;
    const bodiless = status === 204 || status === 304;
    const framing = bodiless ? "" : `content-length: ${body.length}\r\n`;
    const sent = bodiless || this.request.method === "HEAD" ? NOTHING : body;
    const needed = headSize(headers) + sent.length;
    if (needed <= MESSAGE_BYTES) {
      const buffer = this.buffers.take(needed);
      const end = putHead(buffer, status, headers, framing, close);
      buffer.set(sent, end);
      await this.#write(buffer.subarray(0, end + sent.length));
      this.buffers.giveBack(buffer);
    } else {
      await this.#write(responseHead(status, headers, framing, close));
      await this.#write(sent);
    }
    this.isWhole = !this.#cut;
  }

  begin(status: number, headers: HeaderList, contentLength: number | null): void {
    this.begun = true;
    let framing = "";
    if (this.request.method === "HEAD" || status === 204 || status === 304) {
      this.#coding = "no_body";
      if (contentLength !== null) framing = `content-length: ${contentLength}\r\n`;
    } else if (contentLength !== null) {
      this.#coding = "length";
      this.#left = contentLength;
      framing = `content-length: ${contentLength}\r\n`;
    } else if (this.request.minor === 1) {
      framing = "transfer-encoding: chunked\r\n";
    } else this.#coding = "close";
    const close = this.#coding === "close" || this.mustClose();
    this.keepsConnection = !close;
    this.#head = responseHead(status, headers, framing, close);
  }

  write(bytes: Uint8Array): Promise<void> | null {
    if (this.client.gone || this.#cut) return null;
    // A chunk of a stream: it is copied, and nobody waits until it is written but the next one.
    if (this.#coding === "chunked" && bytes.length <= MAX_CHUNK_BYTES && this.#isIdle) {
      this.#sendChunk(bytes);
      return null;
    }
    return this.#writeInPieces(bytes);
  }

  get #isIdle(): boolean {
    return this.#underway === null && this.#fault === null;
  }

  #sendChunk(bytes: Uint8Array): void {
    const length = this.#frameLength = this.#chunk(bytes);
    if (length === 0) return void this.#sent(0);
    const written = this.conn.write(this.#frame.subarray(0, length));
    this.#onSent ??= (count) => this.#sent(count);
    this.#onLost ??= (error) => this.#lost(error);
    this.#underway = written.then(this.#onSent, this.#onLost);
  }

  #sent(count: number): Promise<void> | void {
    if (count < this.#frameLength) return this.#sendRest(count);
    this.#underway = null;
    this.buffers.giveBack(this.#frame);
    this.#frame = NOTHING;
  }

  #lost(error: unknown): void {
    this.#underway = null;
    this.#frame = NOTHING;
    this.#fail(error);
  }

  /** The rest of a chunk that a slow client has not taken at once. */
  async #sendRest(count: number): Promise<void> {
    try {
      await this.#write(this.#frame.subarray(count, this.#frameLength));
    } catch {
      // It is kept, and the next call tells it.
    }
    this.#sent(this.#frameLength);
  }

  /** Resolves when nothing is on its way, as far as can be told: another call may have waited as well. */
  async #settled(): Promise<void> {
    while (this.#underway !== null) await this.#underway;
    if (this.#fault !== null) throw this.#fault.error;
  }

  async #writeInPieces(bytes: Uint8Array): Promise<void> {
    switch (this.#coding) {
      case "chunked":
        for (let at = 0; at < bytes.length || this.#head.length > 0; at += MAX_CHUNK_BYTES) {
          do await this.#settled(); while (!this.#isIdle);
          if (this.client.gone || this.#cut) return;
          this.#sendChunk(bytes.subarray(at, at + MAX_CHUNK_BYTES));
        }
        return await this.#settled();
      case "length":
        this.#left -= bytes.length;
        if (this.#left < 0) return this.cut();
        break;
      case "no_body":
        return;
    }
    await this.#flushHead();
    if (bytes.length > 0) await this.#write(bytes);
  }

  async end(): Promise<void> {
    if (!this.client.gone) await this.#settled();
    if (this.client.gone || this.#cut) return;
    if (this.#coding === "length" && this.#left !== 0) return this.cut();
    if (this.#coding === "chunked") {
      const head = this.#head;
      this.#head = NOTHING;
      if (head.length === 0) await this.#write(LAST_CHUNK);
      else {
        const whole = new Uint8Array(head.length + LAST_CHUNK.length);
        whole.set(head);
        whole.set(LAST_CHUNK, head.length);
        await this.#write(whole);
      }
    } else await this.#flushHead();
    this.isWhole = !this.#cut;
  }

  cut(): void {
    if (this.#cut) return;
    this.#cut = true;
    this.keepsConnection = false;
    try {
      this.conn.close();
    } catch (error) {
      // Closed by the other side of the race already.
      if (!isSocketError(error)) throw error;
    }
  }

  /** Puts head (the first time), size line, payload and line end into `#frame`; returns their length. */
  #chunk(payload: Uint8Array): number {
    const head = this.#head;
    const needed = head.length + payload.length + CHUNK_FRAME_BYTES;
    const frame = this.#frame = needed <= MESSAGE_BYTES
      ? this.buffers.take(needed)
      : this.#largeFrame(needed);
    let at = 0;
    if (head.length > 0) {
      frame.set(head);
      at = head.length;
      this.#head = NOTHING;
    }
    const length = payload.length;
    if (length === 0) return at;
    let shift = length > 0xfff ? length > 0xffff ? 16 : 12 : length > 0xff ? 8 : 4;
    for (; shift >= 0; shift -= 4) frame[at++] = HEX[(length >> shift) & 15];
    frame[at++] = 13;
    frame[at++] = 10;
    frame.set(payload, at);
    at += length;
    frame[at++] = 13;
    frame[at++] = 10;
    return at;
  }

  #largeFrame(needed: number): Uint8Array {
    if (needed > this.#large.length) this.#large = new Uint8Array(needed + (needed >> 1));
    return this.#large;
  }

  async #flushHead(): Promise<void> {
    if (this.#head.length === 0) return;
    const head = this.#head;
    this.#head = NOTHING;
    await this.#write(head);
  }

  /** Writes all of it. A client that cannot be written to has left, which is no error. */
  async #write(bytes: Uint8Array): Promise<void> {
    try {
      let at = 0;
      while (at < bytes.length) {
        at += await this.conn.write(at === 0 ? bytes : bytes.subarray(at));
      }
    } catch (error) {
      this.#fail(error);
      if (this.#fault !== null) throw error;
    }
  }

  #fail(error: unknown): void {
    // What was on its way when it was cut is lost, and nobody has left.
    if (this.#cut) return;
    if (!isSocketError(error)) {
      this.#fault = { error };
      return;
    }
    this.#cut = true;
    this.keepsConnection = false;
    this.client.leave();
  }
}

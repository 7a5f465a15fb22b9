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

const NOTHING_TO_DO = Promise.resolve();
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
  #frame = NOTHING;
  #cut = false;

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
    if (headSize(headers) + sent.length <= MESSAGE_BYTES) {
      const buffer = this.buffers.take();
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

  write(bytes: Uint8Array): Promise<void> {
    if (this.client.gone || this.#cut) return NOTHING_TO_DO;
    // A chunk of a stream: no promise more than the write's own.
    if (this.#coding === "chunked" && bytes.length <= MAX_CHUNK_BYTES) {
      return this.#write(this.#chunk(bytes));
    }
    return this.#writeInPieces(bytes);
  }

  async #writeInPieces(bytes: Uint8Array): Promise<void> {
    switch (this.#coding) {
      case "chunked":
        for (let at = 0; at < bytes.length || this.#head.length > 0; at += MAX_CHUNK_BYTES) {
          await this.#write(this.#chunk(bytes.subarray(at, at + MAX_CHUNK_BYTES)));
          if (this.#cut) return;
        }
        return;
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

  /** Head (the first time), size line, payload and line end in one reused piece of memory. */
  #chunk(payload: Uint8Array): Uint8Array {
    const head = this.#head;
    const needed = head.length + payload.length + CHUNK_FRAME_BYTES;
    if (needed > this.#frame.length) {
      this.#frame = new Uint8Array(Math.max(1024, needed + (needed >> 1)));
    }
    const frame = this.#frame;
    let at = 0;
    if (head.length > 0) {
      frame.set(head);
      at = head.length;
      this.#head = NOTHING;
    }
    const length = payload.length;
    if (length === 0) return frame.subarray(0, at);
    let shift = length > 0xfff ? length > 0xffff ? 16 : 12 : length > 0xff ? 8 : 4;
    for (; shift >= 0; shift -= 4) frame[at++] = HEX[(length >> shift) & 15];
    frame[at++] = 13;
    frame[at++] = 10;
    frame.set(payload, at);
    at += length;
    frame[at++] = 13;
    frame[at++] = 10;
    return frame.subarray(0, at);
  }

  async #flushHead(): Promise<void> {
    if (this.#head.length === 0) return;
    const head = this.#head;
    this.#head = NOTHING;
    await this.#write(head);
  }

  /** Writes all of it. Never rejects: a client that cannot be written to has left. */
  async #write(bytes: Uint8Array): Promise<void> {
    try {
      let at = 0;
      while (at < bytes.length) {
        at += await this.conn.write(at === 0 ? bytes : bytes.subarray(at));
      }
    } catch (error) {
      if (!isSocketError(error)) throw error;
      this.#cut = true;
      this.keepsConnection = false;
      this.client.leave();
    }
  }
}

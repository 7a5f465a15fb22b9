// The answer to a request, on the bare socket: whole, in pieces, cut or reset.

import type net from "node:net";
import { setImmediate } from "node:timers";

/** How an answer's bytes are broken up on their way. */
export interface Dribble {
  /** Largest piece in bytes; each piece has a random size up to it. */
  maxPiece: number;
  pauseMs: number;
  headOnly: boolean;
}

const encoder = new TextEncoder();
const CRLF = encoder.encode("\r\n");
const LAST_CHUNK = encoder.encode("0\r\n\r\n");
const REASONS: Record<number, string> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Request Entity Too Large",
  422: "Unprocessable Entity",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

/** The answer to one request. */
export class Reply {
  /** Status sent, or null. */
  status: number | null = null;
  /** The whole answer was handed to the socket, or the connection was broken on purpose. */
  finished = false;
  /** The client left before the answer was finished. */
  aborted = false;
  /** Set before the head to send the answer in odd pieces. */
  dribble: Dribble | null = null;
  #chunked = false;
  #queue: Promise<void> = Promise.resolve();
  #onAbort: (() => void)[] = [];
  #onFinish: (() => void)[] = [];

  constructor(
    private readonly socket: net.Socket,
    private readonly keepAlive: boolean,
    private readonly headless: boolean,
    private readonly after: () => void,
  ) {}

  /** `callback` runs when the client leaves before the answer is finished; at once if it has. */
  onAbort(callback: () => void): void {
    if (this.aborted) callback();
    else this.#onAbort.push(callback);
  }

  /** `callback` runs when the answer is finished in whichever way, leaving included. */
  onFinish(callback: () => void): void {
    this.#onFinish.push(callback);
  }

  /** True while the client reads too slowly. */
  get backlogged(): boolean {
    return this.socket.writableLength > 262_144;
  }

  /** Answers whole. */
  send(status: number, headers: Record<string, string>, body: string | Uint8Array): void {
    const bytes = typeof body === "string" ? encoder.encode(body) : body;
    const head = encoder.encode(
      this.#head(status, { ...headers, "content-length": String(bytes.length) }),
    );
    const whole = new Uint8Array(head.length + (this.headless ? 0 : bytes.length));
    whole.set(head);
    if (!this.headless) whole.set(bytes, head.length);
    this.#write(whole, head.length);
    this.#finish();
  }

  /** Starts an answer; chunked unless `headers` has a content-length. */
  begin(status: number, headers: Record<string, string>): void {
    this.#chunked = headers["content-length"] === undefined;
    const head = this.#head(
      status,
      this.#chunked ? { ...headers, "transfer-encoding": "chunked" } : headers,
    );
    const bytes = encoder.encode(head);
    this.#write(bytes, bytes.length);
  }

  /** Sends some of the body, as one chunk where the answer is chunked. */
  write(bytes: Uint8Array): void {
    if (this.finished || bytes.length === 0) return;
    if (!this.#chunked) {
      this.#write(bytes, 0);
      return;
    }
    const size = bytes.length.toString(16);
    const framed = new Uint8Array(size.length + bytes.length + 4);
    for (let at = 0; at < size.length; at++) framed[at] = size.charCodeAt(at);
    framed.set(CRLF, size.length);
    framed.set(bytes, size.length + 2);
    framed.set(CRLF, size.length + 2 + bytes.length);
    this.#write(framed, 0);
  }

  /** The proper end of a chunked answer. */
  end(): void {
    if (this.finished) return;
    if (this.#chunked) this.#write(LAST_CHUNK, 0);
    this.#finish();
  }

  /** Ends the connection with a FIN, whatever is missing of the answer. */
  close(): void {
    if (this.finished) return;
    this.#queue = this.#queue.then(() => {
      this.socket.end(() => this.socket.destroy());
    });
    this.#done();
  }

  /** Ends the connection with a RST, once what was written has left. */
  reset(): void {
    if (this.finished) return;
    // What was written before has to leave first: a reset drops what waits.
    if (this.socket.writableLength === 0) this.socket.resetAndDestroy();
    else this.socket.write(new Uint8Array(0), () => this.socket.resetAndDestroy());
    this.#done();
  }

  /** For the server: the client closed its side or the connection broke. */
  gone(): void {
    if (this.finished) return;
    this.aborted = true;
    for (const callback of this.#onAbort) callback();
    this.#done();
  }

  #head(status: number, headers: Record<string, string>): string {
    this.status = status;
    let head = `HTTP/1.1 ${status} ${REASONS[status] ?? "Status"}\r\nserver: uvicorn\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    if (!this.keepAlive) head += "connection: close\r\n";
    return head + "\r\n";
  }

  #write(bytes: Uint8Array, headBytes: number): void {
    const dribble = this.dribble;
    if (!dribble) {
      this.socket.write(bytes);
      return;
    }
    const broken = dribble.headOnly ? headBytes : bytes.length;
    this.#queue = this.#queue.then(async () => {
      for (let at = 0; at < broken && !this.socket.destroyed;) {
        const size = 1 + Math.floor(Math.random() * dribble.maxPiece);
        this.socket.write(bytes.slice(at, Math.min(at + size, broken)));
        at += size;
        await new Promise<void>((resolve) => {
          // A turn of the event loop is enough for the bytes to leave by themselves.
          if (dribble.pauseMs === 0) setImmediate(resolve);
          else setTimeout(resolve, dribble.pauseMs);
        });
      }
      if (broken < bytes.length && !this.socket.destroyed) this.socket.write(bytes.slice(broken));
    });
  }

  #finish(): void {
    if (!this.keepAlive) {
      this.close();
    } else if (this.dribble) {
      this.#queue = this.#queue.then(() => this.#done());
    } else {
      this.#done();
    }
  }

  #done(): void {
    if (this.finished) return;
    this.finished = true;
    for (const callback of this.#onFinish) callback();
    this.after();
  }
}

// HTTP/1.1 on bare sockets, because a simulated failure needs what no HTTP library offers: a reset
// before the head, a cut inside a chunk, bytes in odd pieces. What a request means is left to
// instance.ts.

import net from "node:net";
import { setImmediate } from "node:timers";

/** A request with its whole body. */
export interface Request {
  method: string;
  path: string;
  query: URLSearchParams;
  /** Names in lower case; repeated ones joined with ", ". */
  headers: Record<string, string>;
  body: Uint8Array;
  /** Port of the peer: the same for requests on one connection. */
  peer: number;
}

/** How an answer's bytes are broken up on their way. */
export interface Dribble {
  /** Largest piece in bytes; each piece has a random size up to it. */
  maxPiece: number;
  pauseMs: number;
  headOnly: boolean;
}

type Handler = (request: Request, reply: Reply) => void;

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

/** A listening server. */
export interface HttpServer {
  readonly port: number;
  /** Stops listening; connections stay. */
  pause(): Promise<void>;
  /** Listens on the same port again. */
  resume(): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** Starts listening; port 0 takes a free one. */
export async function listen(
  options: { hostname: string; port: number; handle: Handler },
): Promise<HttpServer> {
  const sockets = new Set<net.Socket>();
  const open = async (port: number): Promise<net.Server> => {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      serveConnection(socket, options.handle);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, options.hostname, 4096, () => resolve());
    });
    return server;
  };
  let server: net.Server | null = await open(options.port);
  const port = (server.address() as net.AddressInfo).port;
  const pause = () => {
    const listening = server;
    server = null;
    // The callback comes when the last connection ends: listening itself stops at once.
    listening?.close();
    return Promise.resolve();
  };
  let closed = false;
  return {
    port,
    pause,
    async resume() {
      if (!server && !closed) server = await open(port);
    },
    async close() {
      closed = true;
      await pause();
      const ended = [...sockets].map((socket) =>
        new Promise<void>((resolve) => socket.once("close", () => resolve()))
      );
      for (const socket of sockets) socket.destroy();
      await Promise.all(ended);
    },
  };
}

/** Reads requests from a connection one after the other; the next waits for the answer to the last. */
function serveConnection(socket: net.Socket, handle: Handler): void {
  let pending: Uint8Array[] = [];
  let size = 0;
  let wanted = 0;
  let current: Reply | null = null;
  let continued = false;

  const take = () => {
    while (!current && size > 0 && size >= wanted) {
      const bytes = join(pending, size);
      pending = [bytes];
      const parsed = parse(bytes);
      if (parsed === "bad") {
        socket.end(
          "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nInvalid HTTP request received.",
        );
        return;
      }
      if ("needs" in parsed) {
        wanted = parsed.needs;
        if (parsed.expects && !continued) {
          continued = true;
          socket.write("HTTP/1.1 100 Continue\r\n\r\n");
        }
        return;
      }
      wanted = 0;
      continued = false;
      const rest = bytes.subarray(parsed.length);
      pending = rest.length > 0 ? [rest] : [];
      size = rest.length;
      const reply = new Reply(
        socket,
        parsed.keepAlive,
        parsed.request.method === "HEAD",
        () => {
          current = null;
          queueMicrotask(take);
        },
      );
      current = reply;
      handle({ ...parsed.request, peer: socket.remotePort ?? 0 }, reply);
    }
  };
  const gone = () => current?.gone();
  socket.on("data", (bytes: Uint8Array) => {
    pending.push(bytes);
    size += bytes.length;
    take();
  });
  // Like uvicorn, a client that closes its sending side counts as one that has left.
  socket.on("end", () => {
    gone();
    socket.end(() => socket.destroy());
  });
  socket.on("error", gone);
  socket.on("close", gone);
}

function join(parts: Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

type Parsed =
  | "bad"
  | { needs: number; expects: boolean }
  | { request: Omit<Request, "peer">; length: number; keepAlive: boolean };

const decoder = new TextDecoder();

function parse(bytes: Uint8Array): Parsed {
  const headEnd = endOfHead(bytes);
  if (headEnd < 0) {
    return bytes.length > 65_536 ? "bad" : { needs: bytes.length + 1, expects: false };
  }
  const [first, ...lines] = decoder.decode(bytes.subarray(0, headEnd - 4)).split("\r\n");
  const start = /^([A-Z]+) (\S+) HTTP\/1\.([01])$/.exec(first);
  if (!start) return "bad";
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) return "bad";
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  const expects = headers.expect?.toLowerCase() === "100-continue";
  let body: Uint8Array;
  let length: number;
  if (headers["transfer-encoding"]?.toLowerCase() === "chunked") {
    const decoded = unchunk(bytes, headEnd);
    if (decoded === "bad") return "bad";
    if (decoded === "more") return { needs: bytes.length + 1, expects };
    body = decoded.body;
    length = decoded.end;
  } else {
    const declared = headers["content-length"] ?? "0";
    if (!/^\d+$/.test(declared)) return "bad";
    length = headEnd + Number(declared);
    if (bytes.length < length) return { needs: length, expects };
    body = bytes.subarray(headEnd, length);
  }
  const question = start[2].indexOf("?");
  const connection = headers.connection?.toLowerCase();
  return {
    request: {
      method: start[1],
      path: question < 0 ? start[2] : start[2].slice(0, question),
      query: new URLSearchParams(question < 0 ? "" : start[2].slice(question + 1)),
      headers,
      body,
    },
    length,
    keepAlive: start[3] === "1" ? connection !== "close" : connection === "keep-alive",
  };
}

function endOfHead(bytes: Uint8Array): number {
  for (
    let at = bytes.indexOf(13);
    at >= 0 && at + 3 < bytes.length;
    at = bytes.indexOf(13, at + 1)
  ) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}

function unchunk(
  bytes: Uint8Array,
  from: number,
): "bad" | "more" | { body: Uint8Array; end: number } {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (let at = from;;) {
    const lineEnd = bytes.indexOf(10, at);
    if (lineEnd < 0) return "more";
    const length = parseInt(decoder.decode(bytes.subarray(at, lineEnd)), 16);
    if (!(length >= 0)) return "bad";
    const end = lineEnd + 1 + length;
    if (bytes.length < end + 2) return "more";
    if (length === 0) return { body: join(parts, size), end: end + 2 };
    parts.push(bytes.subarray(lineEnd + 1, end));
    size += length;
    at = end + 2;
  }
}

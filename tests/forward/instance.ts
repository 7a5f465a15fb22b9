// An instance that does exactly what a test tells it, connection by connection and byte by byte, on a
// real socket.

import { headEnd } from "../../lib/http/head.ts";
import { bytesOf, latin1 } from "../http/scripted.ts";

/** A request that came whole. */
export interface Seen {
  /** Request line and fields. */
  head: string;
  body: string;
  /** The connection that it came on, counted from 1. */
  connection: number;
}

/** One connection of a client. */
export interface Peer {
  /** Counted from 1. */
  readonly number: number;
  /** The next request; null when the client has closed. A reset counts as closed. */
  request(): Promise<Seen | null>;
  /** Resolves when all of it was handed to the kernel; false when the client has left. */
  send(bytes: string | Uint8Array): Promise<boolean>;
  /** Resolves when the client closes or resets the connection; what it still sends is dropped. */
  gone(): Promise<void>;
  closeWrite(): Promise<void>;
  close(): void;
}

export interface Instance extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Every request that came whole, in the order of their ends. */
  readonly seen: Seen[];
  /** Connections accepted so far. */
  accepted(): number;
}

/** Starts an instance; `behave` has each connection from its beginning to its end. */
export function startInstance(behave: (peer: Peer) => Promise<void>): Instance {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const seen: Seen[] = [];
  const running: Promise<void>[] = [];
  const open = new Set<Peer>();
  let accepted = 0;
  const accepting = (async () => {
    for await (const conn of listener) {
      const peer = peerOf(conn, ++accepted, seen);
      open.add(peer);
      running.push(
        behave(peer).finally(() => {
          peer.close();
          open.delete(peer);
        }),
      );
    }
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}/v1/completions`,
    port: listener.addr.port,
    seen,
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const peer of open) peer.close();
      await Promise.all(running);
    },
  };
}

function peerOf(conn: Deno.TcpConn, number: number, seen: Seen[]): Peer {
  let buffer = new Uint8Array(0);
  let closed = false;
  const read = async (): Promise<boolean> => {
    const piece = new Uint8Array(65_536);
    // Reset by the client, or closed by the test: over in either case.
    const count = await conn.read(piece).catch(() => null);
    if (count === null) return false;
    const joined = new Uint8Array(buffer.length + count);
    joined.set(buffer);
    joined.set(piece.subarray(0, count), buffer.length);
    buffer = joined;
    return true;
  };
  return {
    number,
    async request() {
      let end: number;
      while ((end = headEnd(buffer, 0, buffer.length)) < 0) if (!await read()) return null;
      const head = latin1(buffer.subarray(0, end));
      const length = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1] ?? 0);
      while (buffer.length < end + length) if (!await read()) return null;
      const body = latin1(buffer.subarray(end, end + length));
      buffer = buffer.slice(end + length);
      const request = { head, body, connection: number };
      seen.push(request);
      return request;
    },
    async send(bytes) {
      const all = typeof bytes === "string" ? bytesOf(bytes) : bytes;
      try {
        for (let at = 0; at < all.length;) at += await conn.write(all.subarray(at));
        return true;
      } catch {
        // The client has left; what that means is the test's to say.
        return false;
      }
    },
    async gone() {
      while (await read()) buffer = new Uint8Array(0);
    },
    closeWrite: () => conn.closeWrite(),
    close() {
      if (closed) return;
      closed = true;
      conn.close();
    },
  };
}

/** Answers every request on a connection with what `answer` makes of it, until the client closes. */
export function answering(answer: (request: Seen) => string): (peer: Peer) => Promise<void> {
  return async (peer) => {
    for (;;) {
      const request = await peer.request();
      if (request === null || !await peer.send(answer(request))) return;
    }
  };
}

/** A whole answer. */
export function ok(body: string, fields = ""): string {
  return `HTTP/1.1 200 OK\r\n${fields}content-length: ${body.length}\r\n\r\n${body}`;
}

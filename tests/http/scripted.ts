// Connections that deliver given pieces and then end, and what the gateway's own HTTP/1.1 code makes
// of them: the real connection of the listener and the real client, without sockets or clocks.

import { Buffer } from "node:buffer";
import { Http1Transport } from "../../lib/forward/transport/http1.ts";
import { readFrom, UpstreamError } from "../../lib/forward/transport.ts";
import { RequestError } from "../../lib/http/client.ts";
import { MessageBuffers, Slab } from "../../lib/http/memory.ts";
import { Connection, type ConnectionOwner } from "../../lib/server/listener/http1/connection.ts";
import { ANY_BODY } from "../support/body_hold.ts";
import { listenOptions } from "../support/listen_options.ts";

/** Reads after the end before a case counts as hanging. */
const MAX_READS_AFTER_END = 1000;
const ORIGIN = "http://192.0.2.1:8000";
const REMOTE = { transport: "tcp", hostname: "192.0.2.1", port: 1 } as const;

const LATE_TURNS = 8;

/** Waits while other tasks that are ready take so many steps. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await null;
}

/** A connection whose peer sends `pieces`, one a read, and then its end of stream. */
export class ScriptedConn {
  readonly written: Uint8Array[] = [];
  closed = false;
  readonly remoteAddr = REMOTE;
  #index = 0;
  #offset = 0;
  #readsAfterEnd = 0;

  constructor(private readonly pieces: readonly Uint8Array[]) {}

  async read(into: Uint8Array): Promise<number | null> {
    // An answer comes after its request was written, and the end of the stream after the last piece.
    if (this.#index === 0 || this.#index === this.pieces.length) await turns(LATE_TURNS);
    if (this.closed) throw new Deno.errors.BadResource("closed");
    const piece = this.pieces[this.#index];
    if (piece === undefined) {
      if (++this.#readsAfterEnd > MAX_READS_AFTER_END) {
        throw new Error("reads on after the end of the stream");
      }
      return null;
    }
    if (into.length === 0) throw new Error("a read into no memory");
    const count = Math.min(into.length, piece.length - this.#offset);
    into.set(piece.subarray(this.#offset, this.#offset + count));
    this.#offset += count;
    if (this.#offset === piece.length) {
      this.#index++;
      this.#offset = 0;
    }
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.closed) return Promise.reject(new Deno.errors.BadResource("closed"));
    // The writer may use its memory again as soon as this resolves.
    if (bytes.length > 0) this.written.push(bytes.slice());
    return Promise.resolve(bytes.length);
  }

  setNoDelay(): void {}

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
  }

  /** What the code needs of a TCP connection is all here. */
  asTcp(): Deno.TcpConn {
    return this as unknown as Deno.TcpConn;
  }
}

/** One character a byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** One byte a character. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** `bytes` cut at `offsets`, which ascend; each piece in memory of its own. */
export function cutAt(bytes: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const to of [...offsets, bytes.length]) {
    if (to > from) pieces.push(bytes.slice(from, to));
    from = Math.max(from, to);
  }
  return pieces;
}

/**
 * What a server saw of a client's bytes: each request as "METHOD target body", then, where the client
 * was refused, the status as a number.
 */
export type Served = (string | number)[];

const options = listenOptions();
const buffers = new MessageBuffers();
const slab = new Slab();

/** Gives the pieces to the listener's connection. Rejects for what is neither a request nor refused. */
export async function serve(
  pieces: readonly Uint8Array[],
  limitBytes = 1 << 20,
): Promise<Served> {
  const seen: Served = [];
  const conn = new ScriptedConn(pieces);
  let unexpected: unknown = null;
  let opened = 1;
  const owner: ConnectionOwner = {
    options: { ...options, onError: (error) => unexpected ??= error },
    draining: false,
    sendsAway: () => false,
    now: 0,
    buffers,
    slab,
    closed: () => opened--,
    handler: async (request, reply) => {
      try {
        const body = await request.readBody(limitBytes, ANY_BODY);
        const space = body.length > 0 ? " " : "";
        seen.push(`${request.method} ${request.target}${space}${latin1(body)}`);
        await reply.send(204, [], new Uint8Array(0));
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        seen.push(`${request.method} ${request.target}`);
        await reply.send(error.status, [], new Uint8Array(0));
      }
    },
  };
  await new Connection(conn.asTcp(), REMOTE.hostname, owner, false).run();
  if (unexpected !== null) throw unexpected;
  if (opened !== 0 || !conn.closed) throw new Error("the connection was not given back");
  for (const bytes of conn.written) {
    const status = Number(latin1(bytes.subarray(9, 12)));
    if (status >= 400) seen.push(status);
  }
  return seen;
}

/** What a client saw of a server's bytes; `kept` says whether the connection may be used again. */
export type Received =
  | { status: number; headers: string[]; body: string; kept: boolean }
  | { fault: string; status: number | null; body: string };

/** Gives the pieces, as the answer to one request, to the client for http:// instances. */
export async function receive(
  pieces: readonly Uint8Array[],
  method = "POST",
): Promise<Received> {
  const conn = new ScriptedConn(pieces);
  const transport = new Http1Transport(() => Promise.resolve(conn.asTcp()));
  const call = transport.start({
    method,
    url: `${ORIGIN}/v1/completions`,
    headers: [],
    body: [],
    connectTimeoutS: 60,
  });
  let status: number | null = null;
  let body = "";
  try {
    const head = await call.head;
    status = head.status;
    for (;;) {
      const piece = await readFrom(call);
      if (piece === null) break;
      body += latin1(piece);
      if (body.length > 1 << 24) throw new Error("a body without end");
    }
    // Bytes that nobody asked for show in the read that is pending while a connection is idle.
    await turns(LATE_TURNS / 2);
    const kept = transport.idle.has(ORIGIN);
    return {
      status,
      headers: head.headers.map(([name, value]) => `${name}: ${value}`),
      body,
      kept,
    };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    if (!conn.closed) throw new Error("a failed connection stayed open");
    return { fault: error.fault, status, body };
  } finally {
    transport.close();
  }
}

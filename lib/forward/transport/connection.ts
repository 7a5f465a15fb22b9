// One TCP connection of the HTTP/1.1 transport with its read buffer, in use or idle.

import { MAX_HEAD_BYTES } from "../../http/head.ts";

const FIRST_BUFFER_BYTES = 8 * 1024;
const MAX_BUFFER_BYTES = 64 * 1024;

/** One TCP connection with its read buffer. A read is pending from the moment a request is sent. */
export class Connection {
  buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  /** Unread bytes are buffer[start, end). */
  start = 0;
  end = 0;
  idleFrom = 0;
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
  sleep(idleMs: number): void {
    this.idleFrom = performance.now();
    this.idleUntil = this.idleFrom + idleMs;
    if (this.buffer.length > FIRST_BUFFER_BYTES) this.buffer = new Uint8Array(FIRST_BUFFER_BYTES);
    const pending = this.conn.read(this.buffer);
    this.#pending = pending;
    this.start = this.end = 0;
    // Closed or reset while idle, or with bytes that nobody asked for: whoever takes it sees it.
    const died = () => {
      if (this.#pending === pending) this.isDead = true;
    };
    pending.then(died, died);
  }

  /** Ready for the next request? */
  wake(): boolean {
    return !this.isDead && performance.now() < this.idleUntil;
  }

  /** Ready, and idle for no longer than `ms`. */
  isFresh(ms: number): boolean {
    if (this.isDead) return false;
    const now = performance.now();
    return now < this.idleUntil && now - this.idleFrom <= ms;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.isDead = true;
    this.#pending?.catch(() => {});
    this.conn.close();
  }
}

// Connections to instances that wait for their next request, by origin.

import type { Connection } from "./connection.ts";
import { FRESH_MS, LoopProbe } from "./loop_probe.ts";

const MAX_IDLE_PER_ORIGIN = 512;
const SWEEP_MS = 500;

export class IdleConnections {
  readonly #idle = new Map<string, Connection[]>();
  readonly #probe = new LoopProbe();
  #sweep: ReturnType<typeof setInterval> | null = null;
  #closed = false;

  /**
   * The connection used last that is still open, or null. Bytes that came while it was idle belong to no
   * request, least of all to the next one: what has come is seen before it is used. A connection that was
   * idle for no longer than what was seen may be old is not looked at again.
   */
  async take(key: string): Promise<Connection | null> {
    for (;;) {
      const connection = this.#idle.get(key)?.pop();
      if (connection === undefined) return null;
      if (connection.wake()) {
        if (performance.now() - connection.idleFrom <= FRESH_MS) return connection;
        await this.#probe.seen();
        if (connection.wake()) return connection;
      }
      connection.close();
    }
  }

  /** How late the loop sees what comes, in milliseconds. */
  lagMs(): Promise<number> {
    return this.#probe.lagMs();
  }

  /** The same at once, where the last one need not be looked at; else null, which says nothing. */
  takeFresh(key: string): Connection | null {
    const connections = this.#idle.get(key);
    const last = connections?.at(-1);
    if (last === undefined || !last.isFresh(FRESH_MS)) return null;
    connections!.pop();
    return last;
  }

  /** Whether a connection waits idle on which nothing has come, as far as was looked. */
  has(key: string): boolean {
    return this.#idle.get(key)?.at(-1)?.wake() ?? false;
  }

  put(key: string, connection: Connection, idleMs: number): void {
    let connections = this.#idle.get(key);
    const isFull = connections !== undefined && connections.length >= MAX_IDLE_PER_ORIGIN;
    if (this.#closed || isFull || idleMs <= 0) return connection.close();
    if (connections === undefined) this.#idle.set(key, connections = []);
    connection.sleep(idleMs);
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

  /** Closes all; returns how many. */
  closeAll(): number {
    const idle = [...this.#idle.values()].flat();
    for (const connection of idle) connection.close();
    this.#idle.clear();
    return idle.length;
  }

  /** The same, for good: what comes later is closed at once. */
  close(): void {
    this.#closed = true;
    this.#probe.close();
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#sweep = null;
    this.closeAll();
  }
}

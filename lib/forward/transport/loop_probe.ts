// Has the event loop ask the system what has come on all sockets. Neither `setImmediate` nor a timer does
// that for sure; a byte that the process sends to itself is seen only after everything that came before.

import { setImmediate } from "node:timers";

/** How long what the system last told is good enough. */
export const FRESH_MS = 5;
const BYTE = new Uint8Array(1);

export class LoopProbe {
  #pair: Promise<[Deno.TcpConn, Deno.TcpConn]> | null = null;
  #askedAt = 0;
  #asking: Promise<void> | null = null;
  #turn: Promise<void> | null = null;

  /**
   * Resolves once what had come on any socket, up to FRESH_MS ago, has been handed out. Shared by all that
   * wait; most calls cost no more than a turn of the loop.
   */
  async seen(): Promise<void> {
    if (this.#asking !== null || performance.now() - this.#askedAt > FRESH_MS) {
      await (this.#asking ??= this.#ask());
    }
    // What the system has told is handed out by the end of this turn.
    await (this.#turn ??= new Promise((resolve) =>
      setImmediate(() => {
        this.#turn = null;
        resolve();
      })
    ));
  }

  /** How long what comes on a socket now has to wait until it is seen, in milliseconds. */
  async lagMs(): Promise<number> {
    await this.#asking;
    const begun = performance.now();
    await (this.#asking ??= this.#ask());
    return performance.now() - begun;
  }

  close(): void {
    this.#pair?.then((pair) => pair.forEach((conn) => conn.close()), () => {
      // It never came about.
    });
    this.#pair = null;
  }

  async #ask(): Promise<void> {
    try {
      const [from, to] = await (this.#pair ??= openPair());
      // Room for more than the byte: a read that comes back full would be tried again unasked.
      const arriving = to.read(new Uint8Array(8));
      this.#askedAt = performance.now();
      await from.write(BYTE);
      await arriving;
    } catch (error) {
      // No descriptor for it, or closed meanwhile: a timer is the next best.
      if (!(error instanceof Error)) throw error;
      this.close();
      await new Promise((resolve) => setTimeout(resolve, 0));
    } finally {
      this.#asking = null;
    }
  }
}

async function openPair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [from, to] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  from.setNoDelay(true);
  // It must keep no process alive that has nothing else to do.
  from.unref();
  to.unref();
  return [from, to];
}

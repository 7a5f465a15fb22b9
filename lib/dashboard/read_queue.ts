// Who waits for files to be read: whatever the dashboard is asked for that lies in files goes through here, so that
// however many look, requests go on beside them.

import { Turns } from "../http/turns.ts";

/** Two, so that a page passes beside a look through all files. */
const AT_ONCE = 2;
/** Who would come after them is refused; a whole fleet's people open their pages in that many reads. */
export const MAX_WAITING = 64;

/** More wait than can be served soon. */
export class TooManyReads extends Error {
  override readonly name = "TooManyReads";
}

export class ReadQueue {
  #running = 0;
  /** In the order in which they came; called, one is told that its turn has come. */
  readonly #waiting = new Set<() => void>();

  /**
   * What `read` gives, once it is its turn; it asks its `turns` before each piece. Throws TooManyReads, and the reason
   * of `asker` as soon as who asked has left.
   */
  async run<T>(asker: AbortSignal, read: (turns: Turns) => Promise<T>): Promise<T> {
    asker.throwIfAborted();
    if (this.#running >= AT_ONCE) await this.#turn(asker);
    else this.#running++;
    try {
      return await read(new Turns(asker));
    } finally {
      const next = this.#waiting.values().next();
      if (next.done) this.#running--;
      else next.value();
    }
  }

  /** Resolves once the place of one that has ended is given to this one. */
  async #turn(asker: AbortSignal): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING) throw new TooManyReads();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      this.#waiting.delete(begin);
      reject(asker.reason);
    };
    const begin = () => {
      this.#waiting.delete(begin);
      asker.removeEventListener("abort", leave);
      resolve();
    };
    this.#waiting.add(begin);
    asker.addEventListener("abort", leave);
    await promise;
  }
}

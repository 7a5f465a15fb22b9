// The limit for connecting, for fetch, which has none and does not say when its connection stands: while
// no answer has come, a bare connection of our own shows whether the instance can be reached at all.

import { noConnectionWithin, type UpstreamError } from "../transport.ts";
import { connectTimer, fairTimer } from "../../machine/fair_timer.ts";

/** An origin that was reached so lately is not tried again. */
const TRUST_MS = 5000;

/** A connection of our own, for all who wait for its origin. */
interface Trial {
  readonly begunAt: number;
  readonly over: Promise<void>;
}

export class ConnectWatch {
  /** The oldest first. */
  readonly #reachedAt = new Map<string, number>();
  readonly #trials = new Map<string, Trial>();

  /** Where a proxy stands between, reaching the origin itself proves nothing. */
  constructor(
    private readonly proxied: (origin: string) => boolean,
    private readonly connect: (to: Deno.ConnectOptions) => Promise<Deno.Conn> = Deno.connect,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Origins that something is kept of. */
  get known(): number {
    return this.#reachedAt.size;
  }

  /**
   * Calls `onTimeout` when `origin` cannot be reached within `limitS`. The trial takes the second half of
   * that time, so that a quick answer costs no second connection. Returns what ends the watch.
   */
  start(
    origin: string,
    limitS: number,
    moreS: () => number,
    onTimeout: (error: UpstreamError) => void,
  ): () => void {
    const reachedAt = this.#reachedAt.get(origin) ?? -Infinity;
    if (this.now() - reachedAt < TRUST_MS || this.proxied(origin)) return () => {};
    let stop = fairTimer(limitS * 500, () => {
      stop = connectTimer(
        limitS * 500,
        moreS,
        (waitedMs) => onTimeout(noConnectionWithin(limitS, limitS * 500 + waitedMs)),
      );
      this.#trial(origin, limitS * 500).then(() => stop());
    });
    return () => stop();
  }

  /**
   * One at a time for all requests to an origin. What has run for the limit is not joined: the kernel
   * tries ever more seldom, and would find too late that the instance is back.
   */
  #trial(origin: string, limitMs: number): Promise<void> {
    const running = this.#trials.get(origin);
    const begunAt = performance.now();
    if (running !== undefined && begunAt - running.begunAt < limitMs) return running.over;
    const over = this.#reach(origin).finally(() => {
      if (this.#trials.get(origin) === trial) this.#trials.delete(origin);
    });
    const trial: Trial = { begunAt, over };
    this.#trials.set(origin, trial);
    return over;
  }

  /** Resolves once a connection stood; a refusal is left for fetch to report, and ends the watch too. */
  async #reach(origin: string): Promise<void> {
    const { hostname, port, protocol } = new URL(origin);
    try {
      const connection = await this.connect({
        hostname: hostname.replace(/^\[|\]$/g, ""),
        port: Number(port) || (protocol === "https:" ? 443 : 80),
      });
      connection.close();
      this.#reached(origin);
    } catch (error) {
      // Refused, reset or without a name: fetch meets the same and says so.
      if (!(error instanceof Error)) throw error;
    }
  }

  #reached(origin: string): void {
    const now = this.now();
    // Pods come and go: what is trusted no longer is of no more use.
    for (const [old, at] of this.#reachedAt) {
      if (now - at < TRUST_MS) break;
      this.#reachedAt.delete(old);
    }
    this.#reachedAt.delete(origin);
    this.#reachedAt.set(origin, now);
  }
}
